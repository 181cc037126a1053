package swarm

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/healer/docker"
	"github.com/fairlead/fairlead/tools/engine"
)

// patience is how long a test waits for what the engine does in a moment when it is idle.
const patience = time.Minute

// eventually waits until what is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// world is a swarm of one real node with one service.
type world struct {
	*engine.Real
	runtime *Runtime
	wanted  healer.Service
	id      string
	image   string
}

// newWorld makes a service of two replicas with much of what a spec can hold, and waits until they run.
func newWorld(t *testing.T) *world {
	t.Helper()
	real := engine.NewReal(t)
	image := real.Image(t, "serve", "8080")
	name := "shop-" + real.Suffix
	real.Swarm(t)
	real.Clean(t, "com.docker.swarm.service.name="+name)
	runtime, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Real: real, runtime: runtime, image: image,
		wanted: healer.Service{Domain: "shop.example.com", Count: 3, Run: healer.Run{Swarm: name}}}
	secret, err := real.SecretCreate(t.Context(), swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte("s3cret")})
	if err != nil {
		t.Fatal(err)
	}
	spec := richSpec(name, image, secret.ID)
	created, err := real.ServiceCreate(t.Context(), spec, swarm.ServiceCreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.id = created.ID
	t.Cleanup(func() { w.removeService(t) })
	w.running(t, 2)
	return w
}

func richSpec(name, image, secret string) swarm.ServiceSpec {
	two, grace, delay, on := uint64(2), time.Second, time.Second, true
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name, Labels: map[string]string{"team": "web"}},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: image, Env: []string{"A=b", "EMPTY="}, Labels: map[string]string{"SERVICE_NAME": "shop.example.com"},
				StopGracePeriod: &grace, Init: &on, ReadOnly: true, CapabilityDrop: []string{"CAP_NET_RAW"},
				Mounts: []mount.Mount{{Type: mount.TypeTmpfs, Target: "/tmp", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 1 << 20}}},
				Secrets: []*swarm.SecretReference{{SecretID: secret, SecretName: name,
					File: &swarm.SecretReferenceFileTarget{Name: "token", UID: "0", GID: "0", Mode: 0o400}}},
				Hosts: []string{"10.0.0.1 db"}, Sysctls: map[string]string{"net.core.somaxconn": "1024"},
			},
			Resources:     &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 64 << 20, Pids: 50}, Reservations: &swarm.Resources{NanoCPUs: 1e6}},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay},
			Placement:     &swarm.Placement{Constraints: []string{"node.role==manager"}, Preferences: []swarm.PlacementPreference{{Spread: &swarm.SpreadOver{SpreadDescriptor: "node.labels.rack"}}}},
			LogDriver:     &swarm.Driver{Name: "json-file", Options: map[string]string{"max-size": "1m"}},
		},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1, Monitor: time.Second, FailureAction: swarm.UpdateFailureActionPause,
			MaxFailureRatio: 0.1, Order: swarm.UpdateOrderStopFirst},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR,
			Ports: []swarm.PortConfig{{Protocol: swarm.PortConfigProtocolTCP, TargetPort: 8080, PublishMode: swarm.PortConfigPublishModeHost}}},
	}
}

// removeService removes the service and waits for its containers, so that nothing is left when the swarm is.
func (w *world) removeService(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.ServiceRemove(ctx, w.id); err != nil {
		t.Logf("the service may be left: %v", err)
	}
	for ctx.Err() == nil {
		tasks, err := w.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("service", w.id))})
		if err != nil || len(tasks) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *world) observe(t *testing.T) healer.Observation {
	t.Helper()
	o, err := w.runtime.Observe(t.Context(), &w.wanted)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// running waits until so many copies run, and returns the observation and the IDs of their containers.
func (w *world) running(t *testing.T, count int) (o healer.Observation, ids map[string]int) {
	t.Helper()
	eventually(t, "copies that run", func() bool {
		o, ids = w.observe(t), map[string]int{}
		for _, c := range o.Copies {
			if c.Running {
				ids[c.ID] = c.Slot
			}
		}
		return len(ids) == count && o.Busy == ""
	})
	return o, ids
}

// update changes the service as a person would, and returns without waiting for it.
func (w *world) update(t *testing.T, change func(*swarm.ServiceSpec)) {
	t.Helper()
	found, _, err := w.ServiceInspectWithRaw(t.Context(), w.id, swarm.ServiceInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	change(&found.Spec)
	if _, err := w.ServiceUpdate(t.Context(), w.id, found.Version, found.Spec, swarm.ServiceUpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestRealSwarm goes through the life of one service, as a swarm takes its time to come and go.
func TestRealSwarm(t *testing.T) {
	w := newWorld(t)
	scale := func(o healer.Observation, to int) error {
		return w.runtime.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &w.wanted, To: to, Fence: o.Fence})
	}

	before, ids := w.running(t, 2)
	if before.Replicas != 2 || before.Fence == 0 {
		t.Fatalf("observed %+v", before)
	}
	if err := scale(before, 3); err != nil {
		t.Fatalf("scaling up: %v", err)
	}
	after, more := w.running(t, 3)
	if after.Replicas != 3 {
		t.Errorf("there are %d replicas now", after.Replicas)
	}
	for id := range ids {
		if _, still := more[id]; !still {
			t.Errorf("scaling up replaced container %s", id)
		}
	}

	if err := scale(before, 3); !errors.Is(err, healer.ErrFenced) {
		t.Errorf("scaling with an old observation: %v", err)
	}
	if err := scale(w.observe(t), 2); !errors.Is(err, healer.ErrRefused) {
		t.Errorf("scaling down: %v", err)
	}

	w.stopOne(t)
	w.conflict(t)
	w.pausedUpdate(t)

	other := w.wanted
	other.Run.Swarm = "nobody-" + w.Suffix
	if _, err := w.runtime.Observe(t.Context(), &other); !errors.Is(err, healer.ErrUnknownService) {
		t.Errorf("a service that is not there: %v", err)
	}
}

// stopOne stops one task's container, and Swarm replaces it.
func (w *world) stopOne(t *testing.T) {
	t.Helper()
	o, ids := w.running(t, 3)
	for id := range ids {
		a := healer.Action{Kind: healer.Stop, Service: &w.wanted, Copy: id, Fence: o.Fence, Reason: "critical"}
		if err := w.runtime.Do(t.Context(), a); err != nil {
			t.Fatalf("stopping a task's container: %v", err)
		}
		eventually(t, "a replacement", func() bool {
			_, now := w.running(t, 3)
			_, still := now[id]
			return !still
		})
		if err := w.runtime.Do(t.Context(), a); !errors.Is(err, healer.ErrFenced) {
			t.Errorf("stopping it again: %v", err)
		}
		return
	}
}

// conflict changes the service between the runtime's look at it and its update: the engine itself must refuse the update.
func (w *world) conflict(t *testing.T) {
	t.Helper()
	o, _ := w.running(t, 3)
	w.wanted.Count = 4
	defer func() { w.wanted.Count = 3 }()
	meddled := false
	between := engine.NewProxy(t, w.Real, func(r *http.Request) {
		if r.Method == http.MethodPost && !meddled {
			meddled = true
			w.update(t, func(s *swarm.ServiceSpec) { two := uint64(2); s.Mode.Replicated.Replicas = &two })
		}
	})
	runtime, err := New(Config{Engine: docker.Engine{Host: between}})
	if err != nil {
		t.Fatal(err)
	}
	err = runtime.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &w.wanted, To: 4, Fence: o.Fence})
	if !meddled || !errors.Is(err, healer.ErrFenced) || !strings.Contains(err.Error(), "out of sequence") {
		t.Errorf("scaling while somebody else does (%t): %v", meddled, err)
	}
	if now, _ := w.running(t, 2); now.Replicas != 2 {
		t.Errorf("there are %d replicas, the other one wanted 2", now.Replicas)
	}
}

// pausedUpdate breaks an update, so that Swarm pauses it, and rolls it back.
func (w *world) pausedUpdate(t *testing.T) {
	t.Helper()
	w.update(t, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = []string{"exit", "3"} })
	var o healer.Observation
	eventually(t, "a paused update", func() bool {
		o = w.observe(t)
		return strings.Contains(o.Busy, "paused")
	})
	problems := ""
	for _, c := range o.Copies {
		problems += c.Problem + "\n"
	}
	if !strings.Contains(problems, "non-zero exit (3)") {
		t.Errorf("nothing says why tasks fail: %q", problems)
	}
	o = w.observe(t) // a task that failed in between has not changed the service
	err := w.runtime.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &w.wanted, To: 3, Fence: o.Fence})
	if !errors.Is(err, healer.ErrRefused) || !strings.Contains(err.Error(), "paused") {
		t.Errorf("scaling during a paused update: %v", err)
	}
	if still := w.observe(t); still.Replicas != 2 || !strings.Contains(still.Busy, "paused") {
		t.Errorf("after the refusal: %d replicas, %q", still.Replicas, still.Busy)
	}
	w.update(t, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = nil })
	w.running(t, 2)
}

func TestRealEngineOutsideASwarm(t *testing.T) {
	real := engine.NewReal(t)
	real.Alone(t)
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Observe(t.Context(), &shop); !errors.Is(err, ErrNotManager) {
		t.Errorf("observing without a swarm: %v", err)
	}
}
