package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-connections/nat"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/fleet"
)

// background runs the program with folders of its own until the test ends.
func background(t *testing.T, args ...string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(lab.Binary(t), args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+filepath.Join(dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("fairlead %s:\n%s", args[0], text)
		}
	})
}

// runContainer starts a container that serves a domain, on a random port of the host, with an environment.
func runContainer(t *testing.T, e *engine.Real, image, domain string, env ...string) (id string) {
	t.Helper()
	made, err := e.ContainerCreate(t.Context(), &container.Config{
		Image: image, Env: env, Labels: map[string]string{"SERVICE_NAME": domain, "test": e.Suffix}, ExposedPorts: nat.PortSet{"8080/tcp": {}},
	}, &container.HostConfig{PublishAllPorts: true}, nil, nil, "")
	if err == nil {
		err = e.ContainerStart(t.Context(), made.ID, container.StartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func TestContainersAreServedWithoutConsul(t *testing.T) {
	e := engine.NewReal(t)
	image := e.Image(t, "serve", "8080")
	e.Clean(t, "test="+e.Suffix)
	domain := "local-" + e.Suffix + ".example.com"
	addr := func() string { return fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t)) }
	listen, admin := addr(), addr()
	background(t, "local", "--listen", listen, "--dns", addr(), "--admin", admin)

	waitStatus(t, listen, domain, 404)
	id := runContainer(t, e, image, domain)
	t.Logf("started to first 200: %v", waitStatus(t, listen, domain, 200))
	if err := e.ContainerKill(t.Context(), id, "KILL"); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed to 404: %v", waitStatus(t, listen, domain, 404))
	refused := mislabelled(t, e, image)
	soon(t, "the refusal of a bad label", func() bool {
		got := runToEnd(t, "sources", "--address", admin)
		return got.code == 0 && strings.Contains(got.out, "container "+refused+": SERVICE_70000_NAME: 70000 is not a port from 1 to 65535")
	})
}

func TestAgentRegistersContainers(t *testing.T) {
	e := engine.NewReal(t)
	image := e.Image(t, "serve", "8080")
	e.Clean(t, "test="+e.Suffix)
	domain := "agent-" + e.Suffix + ".example.com"
	agent := consul.Start(t, consul.Options{})
	port := lab.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	lab.StartEdge(t, consulEdge(port, agent))
	admin := startAgent(t, agent)

	waitStatus(t, addr, domain, 404)
	id := runContainer(t, e, image, domain)
	t.Logf("started to first 200: %v", waitStatus(t, addr, domain, 200))
	entries, _, err := agent.Client().Health().Service(domain, "", true, nil)
	if err != nil || len(entries) != 1 || entries[0].Service.Meta["owner"] != "fairlead" || entries[0].Service.Meta["container"] != id {
		t.Errorf("registered: %+v, %v", entries, err)
	}
	refused := mislabelled(t, e, image)
	soon(t, "the refusal of a bad label", func() bool {
		got := runToEnd(t, "registrations", "--address", admin)
		return got.code == 0 && strings.Contains(got.out, "refused: container "+refused+": SERVICE_70000_NAME: 70000 is not a port from 1 to 65535")
	})
	if err := e.ContainerKill(t.Context(), id, "KILL"); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed to 404: %v", waitStatus(t, addr, domain, 404))
}

// mislabelled starts a container with a label that names no port.
func mislabelled(t *testing.T, e *engine.Real, image string) (name string) {
	t.Helper()
	made, err := e.ContainerCreate(t.Context(), &container.Config{
		Image: image, Labels: map[string]string{"SERVICE_70000_NAME": "shop", "test": e.Suffix}, ExposedPorts: nat.PortSet{"8080/tcp": {}},
	}, &container.HostConfig{PublishAllPorts: true}, nil, nil, "mislabelled-"+e.Suffix)
	if err == nil {
		err = e.ContainerStart(t.Context(), made.ID, container.StartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return "mislabelled-" + e.Suffix
}

// startAgent starts a registrar and returns its admin address.
func startAgent(t *testing.T, agent *consul.Agent) (admin string) {
	t.Helper()
	admin = fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t))
	background(t, "agent", "--advertise", "127.0.0.1", "--allow-loopback", "--consul", agent.HTTP, "--admin", admin)
	return admin
}

// impatient are the healer's timers for tests.
const impatient = `timers {
				warm_up 1s
				deficit_for 1s
				lost_after 2s
				read_gap 300ms
				settle_for 500ms
				verify 3s
				tick 300ms
				round_gap 100ms
				backoff_min 1s
			}`

// healing is the configuration of an edge that follows a Consul and heals by a runtime, with timers for the impatient.
func healing(consul, desired, runtime, timers string, port int) string {
	return fleet.Caddyfile(port, "consul "+consul, fmt.Sprintf("desired %s\n\t\t\truntime %s\n\t\t\t%s", desired, runtime, timers))
}

// wanted writes a desired file of one service.
func wanted(t *testing.T, domain string, count int, run string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "desired.json")
	text := fmt.Sprintf(`{"services": [{"domain": %q, "count": %d, "run": %s}]}`, domain, count, run)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHealerKeepsContainersOfAPlainEngine(t *testing.T) {
	e := engine.NewReal(t)
	image := e.Image(t, "serve", "8080")
	domain := "heal-" + e.Suffix + ".example.com"
	label := "io.fairlead.domain=" + domain
	e.Clean(t, label)
	var told sync.Map // whether there was a notice, by its event
	people := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var notice struct{ Event string }
		if err := json.NewDecoder(r.Body).Decode(&notice); err != nil {
			t.Errorf("a notice that is no JSON: %v", err)
		}
		told.Store(notice.Event, true)
	}))
	defer people.Close()
	port := lab.FreePort(t)
	edge := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster local {
			docker {
				advertise 127.0.0.1
				allow loopback
			}
		}
		heal {
			desired %s
			runtime docker {
				publish 127.0.0.1
			}
			notify webhook %s
			%s
		}
		drain_delay 0
	}
}
http://:%d {
	fairlead
}
`, wanted(t, domain, 2, fmt.Sprintf(`{"image": %q, "port": 8080}`, image)), people.URL, impatient, port))
	t.Cleanup(edge.Kill) // before its containers are removed, or it would start others

	running := func() []container.Summary {
		found, err := e.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	soon(t, "two containers", func() bool { return len(running()) == 2 })
	waitStatus(t, fmt.Sprintf("127.0.0.1:%d", port), domain, 200)
	soon(t, "a good verdict", func() bool { return verdict(t, edge) == 0 })
	if err := e.ContainerKill(t.Context(), running()[0].ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	soon(t, "one to be gone", func() bool { return len(running()) == 1 })
	if code := verdict(t, edge); code != 2 {
		t.Errorf("the check says %d, want 2: too few", code)
	}
	soon(t, "its replacement", func() bool { return len(running()) == 2 })
	t.Logf("killed to replaced: %v", time.Since(began))
	time.Sleep(3 * time.Second) // long enough for one too many
	if n := len(running()); n != 2 {
		t.Errorf("%d containers run, want 2", n)
	}
	runContainer(t, e, image, domain) // one that the healer did not start
	e.Clean(t, "test="+e.Suffix)
	soon(t, "a warning", func() bool { return verdict(t, edge) == 1 })
	for _, event := range []string{"critical", "healed", "warning"} {
		soon(t, "a notice of "+event, func() bool { _, there := told.Load(event); return there })
	}
}

// verdict returns the exit code of fairlead check.
func verdict(t *testing.T, edge *lab.Edge) int {
	t.Helper()
	out, err := exec.Command(lab.Binary(t), "check", "--address", strings.TrimPrefix(edge.Admin, "http://")).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%v\n%s", err, out)
	}
	if ended != nil {
		return ended.ExitCode()
	}
	return 0
}

func TestHealerRaisesASwarmServiceToItsCount(t *testing.T) {
	e := engine.NewReal(t)
	image := e.Image(t, "serve", "8080")
	e.Clean(t, "com.docker.swarm.service.name=shop-"+e.Suffix)
	e.Swarm(t)
	domain := "swarm-" + e.Suffix + ".example.com"
	one := uint64(1)
	service, err := e.ServiceCreate(t.Context(), swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "shop-" + e.Suffix},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
			Image: image, Labels: map[string]string{"SERVICE_NAME": domain},
		}},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		EndpointSpec: &swarm.EndpointSpec{Ports: []swarm.PortConfig{
			{Protocol: swarm.PortConfigProtocolTCP, TargetPort: 8080, PublishMode: swarm.PortConfigPublishModeHost},
		}},
	}, swarm.ServiceCreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	agent := consul.Start(t, consul.Options{})
	startAgent(t, agent)
	port := lab.FreePort(t)
	lab.StartEdge(t, healing(agent.HTTP, wanted(t, domain, 2, fmt.Sprintf(`{"swarm": "shop-%s"}`, e.Suffix)), "swarm", impatient, port))

	present := func() int {
		entries, _, err := agent.Client().Health().Service(domain, "", true, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	soon(t, "the one that Swarm keeps", func() bool { return present() == 1 })
	began := time.Now()
	soon(t, "the second", func() bool { return present() == 2 })
	t.Logf("one of two to two: %v", time.Since(began))
	now, _, err := e.ServiceInspectWithRaw(t.Context(), service.ID, swarm.ServiceInspectOptions{})
	if err != nil || *now.Spec.Mode.Replicated.Replicas != 2 {
		t.Errorf("Swarm keeps %+v, %v", now.Spec.Mode.Replicated, err)
	}
	if got := status(fmt.Sprintf("127.0.0.1:%d", port), domain); got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
}

// soon waits for something that takes seconds.
func soon(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}
