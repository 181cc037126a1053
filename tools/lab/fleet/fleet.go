// Package fleet is the laboratory of hosts with Fairlead on it: a `fairlead agent` on each host, and `fairlead run` at the edge, which is
// this machine. Each edge follows the Consul of a host of its own and heals through that host's engine; all read one desired file.
//
// It needs what hosts needs.
package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// Domain is the service that a fleet keeps up, unless its desired file is changed.
const Domain = "shop.example.com"

// Options say what fleet to build. The zero value has the built-in timers everywhere.
type Options struct {
	hosts.Options
	// Edges is how many edges there are, 2 by default; the first follows the first host, and so on.
	Edges int
	// Agent are more arguments of `fairlead agent`.
	Agent []string
	// Follow and Heal are more lines of the edges' blocks consul and heal.
	Follow, Heal string
	// Engine returns where programs reach a host's engine, as seen on the host and from here; nil is the engine itself.
	Engine func(h *hosts.Host) (there, here string, err error)
}

// Fleet is a laboratory with Fairlead on it.
type Fleet struct {
	*hosts.Lab
	Edges []*Edge
	// Desired is the path of the edges' desired file.
	Desired string

	options Options
	binary  string
	tb      lab.TB

	mu      sync.Mutex
	agents  map[*hosts.Host]*hosts.Process
	engines map[*hosts.Host]string // as seen from here
}

// Start builds a fleet, and takes it away when the test ends. It returns when every edge has its configuration; nothing runs on it.
func Start(ctx context.Context, tb lab.TB, o Options) *Fleet {
	tb.Helper()
	f := &Fleet{options: o, binary: lab.Binary(tb), tb: tb, agents: map[*hosts.Host]*hosts.Process{}, engines: map[*hosts.Host]string{}}
	o.Options.Boot = f.boot
	f.Lab = hosts.Start(ctx, tb, o.Options)
	f.Desired = filepath.Join(f.Dir, "desired.json")
	run := `{"swarm": "shop"}`
	if o.Plain {
		run = fmt.Sprintf(`{"image": %q, "port": %d, "host": %q}`, hosts.Web, hosts.WebPort, f.Hosts[0].Name)
	}
	if err := f.Want(fmt.Sprintf(`{"services": [{"domain": %q, "count": 3, "run": %s}]}`, Domain, run)); err != nil {
		tb.Fatalf("starting the fleet: %v", err)
	}
	n := o.Edges
	if n == 0 {
		n = min(2, len(f.Hosts))
	}
	for _, h := range f.Hosts[:n] {
		f.Edges = append(f.Edges, f.startEdge(h))
	}
	return f
}

// Binary is the path of the fairlead program.
func (f *Fleet) Binary() string { return f.binary }

// Want replaces the desired file, at once.
func (f *Fleet) Want(text string) error {
	half := f.Desired + ".new"
	if err := os.WriteFile(half, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(half, f.Desired)
}

// boot is what a host starts each time it is powered on.
func (f *Fleet) boot(_ context.Context, h *hosts.Host) error {
	there, here := "unix:///var/run/docker.sock", "unix://"+h.Socket()
	if f.options.Engine != nil {
		var err error
		if there, here, err = f.options.Engine(h); err != nil {
			return err
		}
	}
	f.mu.Lock()
	f.engines[h] = here
	f.mu.Unlock()
	return f.startAgent(h, there, h.Name)
}

// StartAgent starts a host's agent again, which has ended, with more arguments, on a machine that calls itself so.
func (f *Fleet) StartAgent(h *hosts.Host, hostname string, more ...string) error {
	there := "unix:///var/run/docker.sock"
	if here := f.engine(h); here != "unix://"+h.Socket() {
		there = "unix:///run/" + filepath.Base(here)
	}
	return f.startAgent(h, there, hostname, more...)
}

func (f *Fleet) startAgent(h *hosts.Host, engine, hostname string, more ...string) error {
	process, err := LaunchAgent(h, f.binary, hostname, slices.Concat([]string{"--engine", engine}, f.options.Agent, more)...)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.agents[h] = process
	return nil
}

// LaunchAgent starts a program's `fairlead agent` on a host, with more arguments, on a machine that calls itself hostname.
func LaunchAgent(h *hosts.Host, binary, hostname string, more ...string) (*hosts.Process, error) {
	args := append([]string{"agent", "--advertise", h.Address.String(), "--consul", h.Consul().HTTP, "--node", h.Name}, more...)
	cmd := exec.Command(binary, args...)
	if hostname != h.Name {
		cmd = exec.Command("unshare", append([]string{"--uts", "sh", "-c", `hostname "$0" && exec "$@"`, hostname, binary}, args...)...)
	}
	home := filepath.Join(h.Dir, "home")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	return h.Launch("agent", cmd)
}

// Agent returns the present process of a host's agent.
func (f *Fleet) Agent(h *hosts.Host) *hosts.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.agents[h]
}

func (f *Fleet) engine(h *hosts.Host) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.engines[h]
}

// stopTime bounds the end of an agent.
const stopTime = 20 * time.Second

// StopAgent ends a host's agent as an operator does.
func (f *Fleet) StopAgent(h *hosts.Host) error { return f.Agent(h).Stop(stopTime) }
