package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/hashicorp/consul/api"
)

// most bounds every wait of these tests, on a machine that does much else.
const most = 2 * time.Minute

// webPort is where the tests' service is published.
const webPort = 18080

// keepDead has Consul keep a dead server's node, so that it can be seen as critical.
var keepDead = map[string]any{"autopilot": map[string]any{"cleanup_dead_servers": false}}

// ward is the laboratory of one test.
type ward struct {
	*Lab
	booted atomic.Int64
}

func TestHosts(t *testing.T) {
	before := children(t)
	var left *mark
	t.Run("lab", func(t *testing.T) {
		w := new(ward)
		w.Lab = Start(t.Context(), t, Options{Heartbeat: time.Second, Consul: keepDead, Boot: w.boot})
		left = markOf(t, w.Lab)
		t.Logf("\n%s", w.Map())
		for _, step := range []struct {
			name string
			test func(*testing.T)
		}{
			{"a service runs on three hosts", w.service},
			{"a running lab leaves traces", left.expectUp},
			{"a host is powered off and on", w.power},
			{"a host is cut off", w.partition},
			{"two hosts do not hear each other", w.cut},
			{"an engine is paused", w.pause},
			{"an engine is restarted", w.restart},
		} {
			if !t.Run(step.name, step.test) {
				return // the next one needs all hosts well
			}
		}
		for _, h := range w.Hosts { // namespaces of a host that was off are new ones
			left.note(t, h.machine)
		}
	})
	if left == nil {
		t.SkipNow() // as the lab was
	}
	left.expectNone(t)
	if after := children(t); after > before {
		t.Errorf("%d child processes before, %d after", before, after)
	}
}

// boot starts a program more on a host.
func (w *ward) boot(_ context.Context, h *Host) error {
	w.booted.Add(1)
	_, err := h.Launch("extra", exec.Command("sleep", "1000000"))
	return err
}

func (w *ward) service(t *testing.T) {
	if _, err := w.Hosts[0].Docker().ServiceCreate(t.Context(), Service("web", 3, webPort), swarm.ServiceCreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, h := range w.Hosts {
		eventually(t, h.Name+" serves", h.serves)
	}
	if w.booted.Load() != 3 {
		t.Errorf("%d extra programs were started, not 3", w.booted.Load())
	}
}

func (w *ward) power(t *testing.T) {
	watcher, victim := w.Hosts[0], w.Hosts[1]
	started := time.Now()
	if err := victim.PowerOff(); err != nil {
		t.Fatal(err)
	}
	t.Logf("powered off in %s", time.Since(started))
	if victim.serves() == nil {
		t.Error("a host that is off serves")
	}
	if _, err := victim.Run(t.Context(), "true"); err == nil {
		t.Error("a host that is off runs a command")
	}
	eventually(t, "Consul sees it", watcher.sees(victim, api.HealthCritical))
	eventually(t, "Swarm sees it", watcher.seesNode(victim, swarm.NodeStateDown))
	started = time.Now()
	if err := victim.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("powered on in %s", time.Since(started))
	if err := victim.PowerOn(t.Context()); err == nil {
		t.Error("a host that is on is powered on")
	}
	eventually(t, "Consul sees it again", watcher.sees(victim, api.HealthPassing))
	eventually(t, "Swarm sees it again", watcher.seesNode(victim, swarm.NodeStateReady))
	eventually(t, "it serves again", victim.serves)
	if w.booted.Load() != 4 {
		t.Errorf("%d extra programs were started, not 4", w.booted.Load())
	}
}

func (w *ward) partition(t *testing.T) {
	watcher, victim := w.Hosts[0], w.Hosts[2]
	leads := func() error { return victim.Consul().WaitLeader(5 * time.Second) }
	if err := victim.Partition(t.Context()); err != nil {
		t.Fatal(err)
	}
	if victim.serves() == nil || leads() == nil {
		t.Error("a host that is cut off answers")
	}
	eventually(t, "Consul sees it", watcher.sees(victim, api.HealthCritical))
	eventually(t, "Swarm sees it", watcher.seesNode(victim, swarm.NodeStateDown))
	if out, err := victim.Run(t.Context(), "docker", "ps", "-q"); err != nil || strings.TrimSpace(out) == "" {
		t.Errorf("its containers run on: %q, %v", out, err)
	}
	if err := victim.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it serves again", victim.serves)
	eventually(t, "its Consul has a leader again", leads)
	eventually(t, "Consul sees it again", watcher.sees(victim, api.HealthPassing))
	eventually(t, "Swarm sees it again", watcher.seesNode(victim, swarm.NodeStateReady))
}

func (w *ward) cut(t *testing.T) {
	one, other := w.Hosts[0], w.Hosts[1]
	asks := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := one.Run(ctx, w.consul, "members", "-http-addr=http://"+other.Addr(8500))
		return err
	}
	if err := asks(); err != nil {
		t.Fatal(err)
	}
	if err := one.Cut(t.Context(), other.Address); err != nil {
		t.Fatal(err)
	}
	if asks() == nil {
		t.Error("a host asks another it is cut from")
	}
	if err := errors.Join(one.serves(), other.serves()); err != nil {
		t.Errorf("the edge hears both: %v", err)
	}
	if err := one.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "they hear each other again", asks)
}

func (w *ward) pause(t *testing.T) {
	h := w.Hosts[1]
	ping := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		_, err := h.Docker().Ping(ctx)
		return err
	}
	eventually(t, "it serves", h.serves)
	if err := h.PauseDocker(); err != nil {
		t.Fatal(err)
	}
	if err := ping(2 * time.Second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused engine: %v, not a time-out", err)
	}
	if err := h.serves(); err != nil {
		t.Errorf("its containers run on: %v", err)
	}
	if err := h.ResumeDocker(); err != nil {
		t.Fatal(err)
	}
	if err := ping(most); err != nil {
		t.Error(err)
	}
}

func (w *ward) restart(t *testing.T) {
	h := w.Hosts[1]
	old := h.Dockerd().PID()
	if err := h.RestartDocker(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.Dockerd().PID() == old {
		t.Error("the engine is the same process")
	}
	eventually(t, "Swarm sees it again", w.Hosts[0].seesNode(h, swarm.NodeStateReady))
	eventually(t, "it serves again", h.serves)
}

// serves asks the web service of the host, which has to name the host.
func (h *Host) serves() error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + h.Addr(webPort))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && !strings.HasPrefix(string(body), h.Name+" ") {
		err = fmt.Errorf("it answers %q", body)
	}
	return err
}

// sees asks whether a host's Consul has another's node in a state.
func (h *Host) sees(other *Host, state string) func() error {
	return func() error {
		checks, _, err := h.Consul().Client().Health().Node(other.Name, nil)
		if err == nil && checks.AggregatedStatus() != state {
			err = fmt.Errorf("it is %s", checks.AggregatedStatus())
		}
		return err
	}
}

// seesNode asks whether a host's Swarm manager has another's node in a state.
func (h *Host) seesNode(other *Host, state swarm.NodeState) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		nodes, err := h.Docker().NodeList(ctx, swarm.NodeListOptions{})
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Description.Hostname == other.Name && n.Status.State == state {
				return nil
			}
		}
		return fmt.Errorf("it is not %s", state)
	}
}

// eventually waits until f returns nil, and says how long that took.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	started := time.Now()
	for {
		err := f()
		if err == nil {
			t.Logf("%s after %.1f s", what, time.Since(started).Seconds())
			return
		}
		if time.Since(started) > most {
			t.Fatalf("%s: not in %s: %v", what, most, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
