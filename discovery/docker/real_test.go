package docker

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/discovery"
	realengine "github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
)

// get asks the instance of a service for a page.
func (o *observer) get(t *testing.T, service, path string) {
	t.Helper()
	o.mu.Lock()
	at := o.instance(service).HostPort()
	o.mu.Unlock()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + at + path)
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			return
		}
		if strings.HasPrefix(path, "/end") {
			return // it ends before it answers
		}
		if time.Now().After(late) {
			t.Fatalf("asking the instance: %v", err)
		}
	}
}

func TestRealLifeOfAContainer(t *testing.T) {
	e := startReal(t)
	o := e.observe(nil)
	id := e.create("a", func(c *api.Config, _ *api.HostConfig, _ *network.NetworkingConfig) {
		c.Env = append(c.Env, `SERVICE_TAGS=b,a\,c`)
		c.Labels["SERVICE_80_CHECK_HTTP"] = "/health"
	})
	asked, done := e.start(id)
	o.until(t, "the start", func(o *observer) bool { return o.passing(e.service(), 1) })
	t.Logf("reported %s after the start was asked for, %s after the engine had done it", time.Since(asked), time.Since(done))
	o.mu.Lock()
	i := *o.instance(e.service())
	o.mu.Unlock()
	name := "fairlead-test-" + e.suffix + "-a"
	if i.ServiceID != i.Node+":"+name+":80" || i.Node == "" || i.Meta[discovery.MetaContainer] != id || i.Meta["check_http"] != "/health" ||
		strings.Join(i.Tags, "|") != "b|a,c" {
		t.Errorf("instance %+v", i)
	}
	o.get(t, e.service(), "/")

	state := func(health discovery.Health, note string) func(*observer) bool {
		return func(o *observer) bool {
			i := o.instance(e.service())
			return i != nil && i.Health == health && strings.Contains(i.HealthNote, note)
		}
	}
	if err := e.ContainerPause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the pause", state(discovery.Critical, "paused"))
	if err := e.ContainerUnpause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the end of the pause", state(discovery.Passing, ""))

	began := time.Now()
	if err := e.ContainerKill(t.Context(), id, "KILL"); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the kill", func(o *observer) bool { return !o.passing(e.service(), 1) })
	out := time.Since(began)
	o.until(t, "its end", func(o *observer) bool { return o.services[e.service()] == nil })
	t.Logf("out of service %s and gone %s after the kill was asked for", out, time.Since(began))

	e.start(id)
	o.until(t, "its return", state(discovery.Passing, ""))
	o.get(t, e.service(), "/")
	o.get(t, e.service(), "/end")
	o.until(t, "its end by itself", func(o *observer) bool { return !o.passing(e.service(), 1) })
	o.until(t, "its end", func(o *observer) bool { return o.services[e.service()] == nil })
}

func TestRealStopIsMaintenanceFirst(t *testing.T) {
	e := startReal(t)
	o := e.observe(nil)
	id := e.create("a", func(c *api.Config, _ *api.HostConfig, _ *network.NetworkingConfig) {
		c.Env = append(c.Env, "LINGER=3s")
	})
	e.start(id)
	o.until(t, "the start", func(o *observer) bool { return o.passing(e.service(), 1) })
	o.get(t, e.service(), "/")

	stopped := make(chan time.Time, 1)
	began := time.Now()
	go func() {
		if err := e.ContainerStop(t.Context(), id, api.StopOptions{}); err != nil {
			t.Errorf("stopping: %v", err)
		}
		stopped <- time.Now()
	}()
	o.until(t, "maintenance", func(o *observer) bool {
		i := o.instance(e.service())
		return i != nil && i.Health == discovery.Maintenance && strings.Contains(i.HealthNote, "signal 15")
	})
	took := time.Since(began)
	o.get(t, e.service(), "/") // its last work
	o.until(t, "its end", func(o *observer) bool { return o.services[e.service()] == nil })
	t.Logf("in maintenance %s after the stop was asked for, gone after %s, stopped after %s", took, time.Since(began), (<-stopped).Sub(began))
}

func TestRealHealthcheck(t *testing.T) {
	e := startReal(t)
	o := e.observe(nil)
	id := e.create("a", func(c *api.Config, _ *api.HostConfig, _ *network.NetworkingConfig) {
		c.Healthcheck = &api.HealthConfig{Test: []string{"CMD", "/server", "check"}, Interval: time.Second, Timeout: 5 * time.Second, Retries: 1}
	})
	e.start(id)
	for _, step := range []struct {
		health discovery.Health
		note   string
	}{{discovery.Critical, "not passed yet"}, {discovery.Passing, ""}, {discovery.Critical, "unhealthy"}} {
		if step.note == "unhealthy" {
			o.get(t, e.service(), "/sick")
		}
		o.until(t, step.health.String()+" "+step.note, func(o *observer) bool {
			i := o.instance(e.service())
			return i != nil && i.Health == step.health && strings.Contains(i.HealthNote, step.note)
		})
	}
}

func TestRealNetworkInside(t *testing.T) {
	e := startReal(t)
	name := "fairlead-test-" + e.suffix
	made, err := e.NetworkCreate(t.Context(), name, network.CreateOptions{Labels: map[string]string{"fairlead-test": e.suffix}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := tidy()
		defer cancel()
		if err := e.NetworkRemove(ctx, made.ID); err != nil {
			t.Errorf("removing the network: %v", err)
		}
	})
	o := e.observe(func(c *Config) { c.Internal, c.Network = true, name })
	id := e.create("a", func(_ *api.Config, h *api.HostConfig, n *network.NetworkingConfig) {
		h.NetworkMode, h.PortBindings = api.NetworkMode(name), nil
		n.EndpointsConfig = map[string]*network.EndpointSettings{name: {}}
	})
	e.start(id)
	o.until(t, "the start", func(o *observer) bool { return o.passing(e.service(), 1) && o.instance(e.service()).Port == 80 })
	o.get(t, e.service(), "/")
	if err := e.NetworkDisconnect(t.Context(), made.ID, id, true); err != nil {
		t.Fatal(err)
	}
	o.until(t, "its leaving the network", func(o *observer) bool { return o.services[e.service()] == nil })
	eventually(t, "the refusal", func() bool {
		for _, r := range o.Refusals() {
			if r.ContainerID == id && strings.Contains(r.Reason, "not in the network") {
				return true
			}
		}
		return false
	})
}

func TestRealRefusesLoopback(t *testing.T) {
	e := startReal(t)
	o := e.observe(func(c *Config) { c.AllowLoopback, c.Advertise = false, []netip.Addr{netip.MustParseAddr("192.0.2.1")} })
	id := e.create("a", nil)
	e.start(id)
	eventually(t, "the refusal", func() bool {
		for _, r := range o.Refusals() {
			if r.ContainerID == id && r.Port == "80/tcp" && r.Service == e.service() && strings.Contains(r.Reason, "loopback") {
				return true
			}
		}
		return false
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.services[e.service()] != nil {
		t.Errorf("a loopback address was reported: %s", show(o.services))
	}
}

func TestRealSwarmTask(t *testing.T) {
	e := startReal(t)
	realengine.TakeTurn(t)
	info, err := e.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive {
		lab.Missing(t, "swarm", "the engine is in a Swarm already")
	}
	_, before := e.NetworkInspect(t.Context(), gatewayBridge, network.InspectOptions{})
	if _, err := e.SwarmInit(t.Context(), swarm.InitRequest{ListenAddr: "127.0.0.1:0", AdvertiseAddr: "127.0.0.1"}); err != nil {
		t.Fatalf("beginning a Swarm: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := tidy()
		defer cancel()
		if err := e.SwarmLeave(ctx, true); err != nil {
			t.Errorf("leaving the Swarm: %v", err)
		}
		if before != nil { // a Swarm makes the network and leaves it behind
			eventually(t, "the end of the Swarm's network", func() bool {
				err := e.NetworkRemove(ctx, gatewayBridge)
				gone := isGone(err)
				return err == nil || gone
			})
		}
	})
	o := e.observe(nil)
	one := uint64(1)
	name := "fairlead-test-" + e.suffix
	made, err := e.ServiceCreate(t.Context(), swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name, Labels: map[string]string{"SERVICE_NAME": "not-on-the-container"}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
			Image: e.image, Env: []string{"SERVICE_TAGS=a"}, Labels: map[string]string{"SERVICE_NAME": e.service()},
		}},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		EndpointSpec: &swarm.EndpointSpec{Ports: []swarm.PortConfig{{
			Protocol: swarm.PortConfigProtocolTCP, TargetPort: 80, PublishMode: swarm.PortConfigPublishModeHost,
		}}},
	}, swarm.ServiceCreateOptions{})
	if err != nil {
		t.Fatalf("creating the service: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := tidy()
		defer cancel()
		if err := e.ServiceRemove(ctx, made.ID); err != nil {
			t.Errorf("removing the service: %v", err)
		}
		eventually(t, "the end of its containers", func() bool {
			left, err := e.ContainerList(ctx, api.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", swarmServiceLabel+"="+name))})
			return err == nil && len(left) == 0
		})
	})
	o.until(t, "the task", func(o *observer) bool { return o.passing(e.service(), 1) })
	o.mu.Lock()
	i := *o.instance(e.service())
	o.mu.Unlock()
	if i.Meta[discovery.MetaSwarmService] != name || i.Meta[discovery.MetaSwarmTask] == "" || strings.Join(i.Tags, "|") != "a" || i.Port == 80 {
		t.Errorf("instance %+v", i)
	}
	o.get(t, e.service(), "/")

	// Swarm replaces a container that is killed: another task, another container, the same service.
	if err := e.ContainerKill(t.Context(), i.Meta[discovery.MetaContainer], "KILL"); err != nil {
		t.Fatal(err)
	}
	o.until(t, "the next task", func(o *observer) bool {
		next := o.instance(e.service())
		return next != nil && next.Health == discovery.Passing && next.Meta[discovery.MetaSwarmTask] != i.Meta[discovery.MetaSwarmTask]
	})
}

// Ten containers started and killed one after another, for the figures.
func TestRealLatency(t *testing.T) {
	e := startReal(t)
	o := e.observe(nil)
	var starts, fromDone, outs, gones []time.Duration
	for range 10 {
		id := e.create("n"+time.Now().Format("150405.000000"), nil)
		asked, done := e.start(id)
		o.until(t, "the start", func(o *observer) bool { return o.passing(e.service(), 1) })
		starts, fromDone = append(starts, time.Since(asked)), append(fromDone, time.Since(done))
		began := time.Now()
		if err := e.ContainerKill(t.Context(), id, "KILL"); err != nil {
			t.Fatal(err)
		}
		o.until(t, "the kill", func(o *observer) bool { return !o.passing(e.service(), 1) })
		outs = append(outs, time.Since(began))
		o.until(t, "its end", func(o *observer) bool { return o.services[e.service()] == nil })
		gones = append(gones, time.Since(began))
	}
	for _, row := range []struct {
		what string
		all  []time.Duration
	}{{"start asked for → reported", starts}, {"start done → reported", fromDone}, {"kill asked for → not passing", outs}, {"kill asked for → gone", gones}} {
		t.Logf("%s: median %s, longest %s", row.what, lab.Quantile(row.all, 0.5), lab.Quantile(row.all, 1))
	}
}
