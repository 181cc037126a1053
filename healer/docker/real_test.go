package docker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/tools/engine"
)

// world is the real engine with a runtime whose containers are this test's own.
type world struct {
	*engine.Real
	runtime *Runtime
	service healer.Service
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	real := engine.NewReal(t)
	image := real.Image(t, "serve", "8080")
	config := Config{Owner: real.Suffix, Publish: "127.0.0.1"}
	if change != nil {
		change(&config)
	}
	real.Clean(t, labelOwner+"="+config.Owner)
	runtime, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &world{real, runtime, healer.Service{Domain: "shop-" + real.Suffix + ".example.com", Count: 2,
		Run: healer.Run{Image: image, Port: 8080, Env: map[string]string{"A": "b"}}}}
}

func (w *world) start(t *testing.T, slot, generation int) error {
	t.Helper()
	return carryOut(t, w.runtime, healer.Action{Kind: healer.Start, Service: &w.service, Slot: slot, Generation: generation})
}

// copies observes, and returns the copies by slot and generation.
func (w *world) copies(t *testing.T) map[string]healer.Copy {
	t.Helper()
	o, err := w.runtime.Observe(t.Context(), &w.service)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]healer.Copy{}
	for _, c := range o.Copies {
		found[fmt.Sprintf("%d.%d", c.Slot, c.Generation)] = c
	}
	return found
}

// TestRealLife starts a copy, asks it for an answer, lets it die and replaces it.
func TestRealLife(t *testing.T) {
	w := newWorld(t, nil)
	if found := w.copies(t); len(found) != 0 {
		t.Fatalf("before anything there are %v", found)
	}
	if err := w.start(t, 1, 1); err != nil {
		t.Fatal(err)
	}
	first := w.copies(t)["1.1"]
	if !first.Running || first.Problem != "" || time.Since(first.Since) > time.Hour {
		t.Fatalf("the first copy is %+v", first)
	}
	w.asksForAnswer(t, first.ID)

	if err := w.start(t, 1, 1); !errors.Is(err, healer.ErrFenced) {
		t.Errorf("starting it again: %v", err)
	}
	if err := w.ContainerKill(t.Context(), first.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); w.copies(t)["1.1"].Running; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a killed container runs on")
		}
	}
	if dead := w.copies(t)["1.1"]; dead.Problem != "exit code 137" {
		t.Errorf("the dead copy says %q", dead.Problem)
	}
	if err := w.start(t, 1, 1); !errors.Is(err, healer.ErrFenced) {
		t.Errorf("starting a generation that is over: %v", err)
	}
	if err := w.start(t, 1, 2); err != nil {
		t.Fatal(err)
	}
	if found := w.copies(t); len(found) != 1 || !found["1.2"].Running {
		t.Errorf("after the replacement there are %v", found)
	}
	if err := w.start(t, 1, 1); !errors.Is(err, healer.ErrFenced) {
		t.Errorf("starting what was replaced: %v", err)
	}
	if found := w.copies(t); len(found) != 1 {
		t.Errorf("a late start left %v", found)
	}
}

// asksForAnswer checks how the container was made, and gets an answer from its published port.
func (w *world) asksForAnswer(t *testing.T, id string) {
	t.Helper()
	c, err := w.ContainerInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "/"+w.service.Domain+".1.1" || c.Config.Labels["SERVICE_NAME"] != w.service.Domain || !c.HostConfig.RestartPolicy.IsNone() {
		t.Errorf("container %s with labels %v, restart policy %s", c.Name, c.Config.Labels, c.HostConfig.RestartPolicy.Name)
	}
	if len(c.Config.Env) == 0 || c.Config.Env[0] != "A=b" {
		t.Errorf("environment %v", c.Config.Env)
	}
	bound := c.NetworkSettings.Ports["8080/tcp"]
	if len(bound) != 1 || bound[0].HostIP != "127.0.0.1" {
		t.Fatalf("published on %v", bound)
	}
	var answer []byte
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		response, err := http.Get("http://" + net.JoinHostPort("127.0.0.1", bound[0].HostPort))
		if err == nil {
			answer, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(id, strings.TrimSpace(string(answer))) {
		t.Errorf("container %s answers %q", id, answer)
	}
}

// TestRealStartsAtOnce lets many start the same slot: exactly one container comes of it.
func TestRealStartsAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() { errs[i] = w.start(t, 1, 1) })
	}
	group.Wait()
	started := 0
	for _, err := range errs {
		switch {
		case err == nil:
			started++
		case !errors.Is(err, healer.ErrFenced):
			t.Errorf("neither started nor fenced: %v", err)
		}
	}
	if started == 0 {
		t.Errorf("nobody started it: %v", errs)
	}
	all, err := w.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelOwner+"="+w.Suffix))})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].State != container.StateRunning {
		t.Errorf("there are %d containers: %+v", len(all), all)
	}
}

func TestRealStartThatFails(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		name   string
		change func(*healer.Run)
		want   error
		says   string
		left   int
	}{
		{"an image that is nowhere", func(r *healer.Run) { r.Image = "localhost:1/nothing-" + w.Suffix + ":1" }, healer.ErrUnknownService, "nothing-" + w.Suffix, 0},
		{"an image's name that is none", func(r *healer.Run) { r.Image = "No Image" }, nil, "No Image", 0},
		{"a folder that is not there", func(r *healer.Run) {
			r.Mounts = []healer.Mount{{Source: "/nowhere-" + w.Suffix, Target: "/data"}}
		}, nil, "/nowhere-" + w.Suffix, 0},
		{"a mount over the program's own", func(r *healer.Run) {
			r.Mounts = []healer.Mount{{Source: "/etc", Target: "/probe"}}
		}, nil, "/probe", 0},
		{"a command that ends", func(r *healer.Run) { r.Command = []string{"exit", "3"} }, nil, "exit code 3", 1},
	} {
		was := w.service.Run
		c.change(&w.service.Run)
		err := w.start(t, 1, 1)
		if c.says == "exit code 3" && err == nil { // it ran when it was looked at
			time.Sleep(time.Second)
			err = errors.New(w.copies(t)["1.1"].Problem)
		}
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		if found := w.copies(t); len(found) != c.left {
			t.Errorf("%s: left %v", c.name, found)
		}
		w.service.Run = was
	}
}

// TestRealCreatedAndLeft finds a container that its maker never started.
func TestRealCreatedAndLeft(t *testing.T) {
	w := newWorld(t, nil)
	s, err := w.runtime.specOf(&w.service, place{w.service.Domain, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	made, err := w.ContainerCreate(t.Context(), s.Config, s.Host, nil, nil, place{w.service.Domain, 1, 1}.name())
	if err != nil {
		t.Fatal(err)
	}
	if c := w.copies(t)["1.1"]; c.Running || c.Problem != "created but not started" {
		t.Errorf("observed %+v", c)
	}
	if err := w.start(t, 1, 1); err != nil {
		t.Fatal(err)
	}
	if found := w.copies(t); len(found) != 1 || found["1.1"].ID != made.ID || !found["1.1"].Running {
		t.Errorf("there are %v", found)
	}
}

func TestRealStop(t *testing.T) {
	w := newWorld(t, nil)
	for generation := 1; generation <= 2; generation++ {
		if err := w.start(t, 1, generation); err != nil {
			t.Fatal(err)
		}
	}
	found := w.copies(t)
	stop := func(id string) error {
		return w.runtime.Do(t.Context(), healer.Action{Kind: healer.Stop, Service: &w.service, Copy: id, Reason: "superseded"})
	}
	if err := stop(found["1.1"].ID); err != nil {
		t.Fatal(err)
	}
	if err := stop(found["1.1"].ID); !errors.Is(err, healer.ErrFenced) {
		t.Errorf("stopping what is gone: %v", err)
	}
	if err := stop(found["1.2"].ID[:12]); !errors.Is(err, healer.ErrFenced) {
		t.Errorf("stopping by the beginning of an ID: %v", err)
	}
	if now := w.copies(t); len(now) != 1 || !now["1.2"].Running {
		t.Fatalf("after the superseded one was stopped there are %v", now)
	}
	if err := stop(found["1.2"].ID); err != nil {
		t.Fatal(err)
	}
	if now := w.copies(t); len(now) != 1 || now["1.2"].Running || now["1.2"].Problem != "exit code 0" {
		t.Errorf("the stopped one is kept until it is replaced: %v", now)
	}

	labels := map[string]string{}
	maps.Copy(labels, place{w.service.Domain, 2, 1}.labels("not-"+w.Suffix))
	w.Clean(t, labelOwner+"=not-"+w.Suffix)
	foreign, err := w.ContainerCreate(t.Context(), &container.Config{Image: w.service.Run.Image, Labels: labels}, nil, nil, nil, w.service.Domain+".2.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ContainerStart(t.Context(), foreign.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := stop(foreign.ID); !errors.Is(err, healer.ErrRefused) {
		t.Errorf("stopping another owner's: %v", err)
	}
	if err := w.start(t, 2, 1); !errors.Is(err, healer.ErrRefused) || !strings.Contains(err.Error(), "did not start") {
		t.Errorf("starting under another owner's name: %v", err)
	}
	if c := w.copies(t)["0.0"]; c.ID != foreign.ID || !c.Running {
		t.Errorf("another owner's container shows as %+v", c)
	}
}

// TestRealStopTimeout stops a container that does not want to, within the time it is given by its image.
func TestRealStopTimeout(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Engine.Timeout = 30 * time.Second })
	w.service.Run.Command = []string{"stubborn"}
	s, err := w.runtime.specOf(&w.service, place{w.service.Domain, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	one := 1
	s.Config.StopTimeout = &one
	made, err := w.ContainerCreate(t.Context(), s.Config, s.Host, nil, nil, place{w.service.Domain, 1, 1}.name())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.start(t, 1, 1); err != nil {
		t.Fatal(err)
	}
	w.says(t, made.ID, "ready")
	if err := w.runtime.Do(t.Context(), healer.Action{Kind: healer.Stop, Service: &w.service, Copy: made.ID}); err != nil {
		t.Fatal(err)
	}
	if c := w.copies(t)["1.1"]; c.Running || c.Problem != "exit code 137" {
		t.Errorf("it ended with %+v", c)
	}
}

// says waits until a container has said something.
func (w *world) says(t *testing.T, id, word string) {
	t.Helper()
	out, err := w.ContainerLogs(t.Context(), id, container.LogsOptions{ShowStdout: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), word) {
			return
		}
	}
	t.Fatalf("the container ended without saying %q: %v", word, lines.Err())
}
