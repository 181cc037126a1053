package hosts

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/tools/lab"
)

// trial is a TB whose failure is not the test's.
type trial struct {
	lab.TB
	cleanup []func()
	failed  string
}

func (r *trial) Cleanup(f func()) { r.cleanup = append(r.cleanup, f) }
func (r *trial) Failed() bool     { return r.failed != "" }
func (r *trial) Logf(string, ...any) {
}

func (r *trial) Fatalf(_ string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok {
			r.failed += err.Error()
		}
	}
	runtime.Goexit()
}

// run runs f with the clean-up that a test has.
func (r *trial) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(r.cleanup) {
				f()
			}
		}()
		f()
	}()
	<-done
}

func TestStartThatFailsLeavesNothing(t *testing.T) {
	need(t)
	before := children(t)
	var left *mark
	var once sync.Once
	boot := func(_ context.Context, h *Host) error {
		if h.Name == "h1" {
			once.Do(func() { left = h.lab.firstMark(t, h) })
			return errors.New("no room")
		}
		return nil
	}
	r := &trial{TB: t}
	r.run(func() { Start(t.Context(), r, Options{Hosts: 2, Plain: true, Boot: boot}) })
	if !strings.Contains(r.failed, "h1: no room") {
		t.Fatalf("the start failed with %q", r.failed)
	}
	left.expectNone(t)
	if after := children(t); after > before {
		t.Errorf("%d child processes before, %d after", before, after)
	}
}

// firstMark notes the marks of a lab that has one host so far.
func (l *Lab) firstMark(t *testing.T, h *Host) *mark {
	m := &mark{dir: l.Dir, group: l.group(), uplink: l.net.uplink, subnet: l.net.subnet, spaces: map[string]string{}}
	m.note(t, l.net.sw)
	m.note(t, h.machine)
	return m
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	need(t)
	ctx, interrupt := context.WithCancel(t.Context())
	var left *mark
	boot := func(_ context.Context, h *Host) error {
		left = h.lab.firstMark(t, h)
		interrupt()
		return nil
	}
	r := &trial{TB: t}
	r.run(func() { Start(ctx, r, Options{Hosts: 1, Boot: boot}) })
	if !strings.Contains(r.failed, context.Canceled.Error()) {
		t.Fatalf("the start failed with %q", r.failed)
	}
	left.expectNone(t)
}

func TestContainersOutliveTheirEngine(t *testing.T) {
	ctx := t.Context()
	one := Start(ctx, t, Options{Hosts: 1, Plain: true, LiveRestore: true})
	other := Start(ctx, t, Options{Hosts: 1, Plain: true})
	if one.Edge == other.Edge || one.Dir == other.Dir {
		t.Errorf("two labs have one network or folder: %s, %s", one.Edge, one.Dir)
	}
	h := one.Hosts[0]
	id := runWeb(t, h.Docker())
	before, err := h.Docker().ContainerInspect(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.RestartDocker(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := h.Docker().ContainerInspect(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if !after.State.Running || after.State.Pid != before.State.Pid {
		t.Errorf("process %d before, %d after (running: %t)", before.State.Pid, after.State.Pid, after.State.Running)
	}
	if err := h.PowerOff(); err != nil {
		t.Fatal(err)
	}
	if err := h.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	if after, err = h.Docker().ContainerInspect(ctx, id); err != nil || after.State.Running {
		t.Errorf("a container outlives its host: %t, %v", after.State.Running, err)
	}
}

// runWeb runs a container of the image Web and returns its ID.
func runWeb(t *testing.T, engine *client.Client) string {
	t.Helper()
	made, err := engine.ContainerCreate(t.Context(), &container.Config{Image: Web}, &container.HostConfig{}, nil, nil, "web")
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// TestProgram interrupts the program and kills it: it leaves nothing, or what the next lab sweeps.
func TestProgram(t *testing.T) {
	need(t)
	program := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		ends   string
		except []string
	}{
		{"an interrupt", syscall.SIGINT, "<nil>", nil},
		{"a kill", syscall.SIGKILL, "signal: killed", []string{"folder", "control group"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out buffer
			cmd := exec.Command(program, "-hosts=1", "-plain", "-bare")
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			eventually(t, "the map is printed", func() error {
				if !strings.Contains(out.String(), "An interrupt takes it away") {
					return errors.New(out.String())
				}
				return nil
			})
			left := markOfMap(t, out.String())
			engine, err := client.NewClientWithOpts(client.WithHost("unix://"+left.dir+"/h1/run/docker.sock"), client.WithAPIVersionNegotiation())
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			runWeb(t, engine)
			left.expectUp(t)
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; errorText(err) != c.ends {
				t.Errorf("it ended with %v, not %s:\n%s", err, c.ends, out.String())
			}
			left.expectNone(t, c.except...)
			sweep()
			left.expectNone(t)
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return "<nil>"
	}
	return err.Error()
}

// markOfMap notes the marks of another process's lab, by its map.
func markOfMap(t *testing.T, text string) *mark {
	t.Helper()
	found := regexp.MustCompile(`network: (\S+) +files: (\S+)\n[\s\S]*nsenter -t (\d+) `).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("not a map:\n%s", text)
	}
	m := &mark{dir: found[2], group: "/" + filepath.Base(found[2]), spaces: map[string]string{}}
	m.uplink = "fl" + strings.TrimPrefix(filepath.Base(found[2]), prefix)
	if err := m.subnet.UnmarshalText([]byte(found[1])); err != nil {
		t.Fatal(err)
	}
	for _, kind := range wholeHost {
		id, err := os.Readlink("/proc/" + found[3] + "/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		m.spaces[id] = "h1"
	}
	return m
}

// buffer is what a process writes, read while it runs.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
