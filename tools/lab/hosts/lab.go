package hosts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// Options say what laboratory to build. The zero value is three hosts in one Swarm, with the timers that engines and Consul have.
type Options struct {
	Hosts int // 3 by default
	// Plain leaves the engines out of Swarm mode.
	Plain bool
	// LiveRestore lets containers outlive their engine. Engines in Swarm mode refuse it.
	LiveRestore bool
	// Heartbeat is how often a Swarm node reports; three missed ones make it down. 0 leaves the engine's 5 s.
	Heartbeat time.Duration
	// Consul is more of the Consul servers' configuration, by its top-level names. By default Consul removes a dead server's node, with
	// its services, about ten seconds after it has failed: autopilot's cleanup_dead_servers.
	Consul map[string]any
	// Boot starts what else a host runs, each time it is powered on. Its Docker and Consul run by then; Swarm and Consul may not have
	// a leader yet.
	Boot func(context.Context, *Host) error
}

// Lab is a set of hosts on one network. This machine is in it as well, as the edge.
type Lab struct {
	Hosts []*Host
	// Edge is this machine's address in the lab.
	Edge netip.Addr
	// Dir holds a folder for each host.
	Dir string

	options Options
	log     func(format string, args ...any)
	suffix  string
	init    string // the program that is every machine's first
	consul  string // Consul's binary
	image   []byte // of the web service, as docker load takes it
	lock    *os.File
	net     *network
}

// Start builds a lab and takes it away when the test ends. It returns when every host is up, the Swarm has all hosts as managers, Consul
// has a leader, and every engine has the image Web. Programs on the hosts may be used from any goroutine; a host is switched by one at
// a time.
func Start(ctx context.Context, tb lab.TB, o Options) *Lab {
	tb.Helper()
	l := &Lab{options: o, log: tb.Logf, suffix: strings.ToLower(rand.Text()[:8]), consul: need(tb)}
	if l.options.Hosts == 0 {
		l.options.Hosts = 3
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			l.logProcesses()
		}
		l.close()
	})
	if err := l.start(ctx); err != nil {
		tb.Fatalf("starting the lab: %v", err)
	}
	return l
}

func (l *Lab) start(ctx context.Context) error {
	started := time.Now()
	if err := l.makeFolder(); err != nil {
		return err
	}
	if err := l.timed("building its programs", l.build(ctx)); err != nil {
		return err
	}
	err := l.timed("laying the network", func() (err error) {
		l.net, err = newNetwork(ctx, l.init, l.suffix)
		return err
	})
	if err != nil {
		return err
	}
	l.Edge = l.net.address(edgeNumber)
	for i := range l.options.Hosts {
		h := &Host{Name: fmt.Sprintf("h%d", i+1), Address: l.net.address(firstHost + i), lab: l}
		h.Dir = filepath.Join(l.Dir, h.Name)
		l.Hosts = append(l.Hosts, h)
	}
	if err := l.timed("powering on the hosts", func() error { return l.each(ctx, (*Host).PowerOn) }); err != nil {
		return err
	}
	group, all := errgroup.WithContext(ctx)
	group.Go(func() error { return l.timed("loading the image", func() error { return l.each(all, (*Host).load) }) })
	group.Go(func() error {
		return l.timed("electing Consul's leader", func() error { return l.each(all, (*Host).waitConsul) })
	})
	if !l.options.Plain {
		group.Go(func() error { return l.timed("joining the Swarm", func() error { return l.joinSwarm(all) }) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	l.log("the lab is up after %.1f s", time.Since(started).Seconds())
	return nil
}

func (l *Lab) timed(what string, f func() error) error {
	started := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	l.log("%s took %.1f s", what, time.Since(started).Seconds())
	return nil
}

// each does something with all hosts side by side.
func (l *Lab) each(ctx context.Context, f func(*Host, context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, h := range l.Hosts {
		group.Go(func() error {
			if err := f(h, ctx); err != nil {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// build makes the programs that the hosts need, and the image.
func (l *Lab) build(ctx context.Context) func() error {
	return func() error {
		programs := filepath.Join(l.Dir, "bin")
		build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", programs+"/", module+"/init", module+"/web")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		l.init = filepath.Join(programs, "init")
		var err error
		l.image, err = pack(filepath.Join(programs, "web"))
		return err
	}
}

const module = "github.com/fairlead/fairlead/tools/lab/hosts"

// need returns the path of Consul's binary; where a part is missing, it ends the test as the package says.
func need(tb lab.TB) string {
	tb.Helper()
	test, skips := tb.(lab.Skipper)
	if err := missing(); err != nil {
		if skips {
			lab.Missing(test, "hosts", err.Error())
		}
		tb.Fatalf("a lab needs what is missing here: %v", err)
	}
	if skips {
		return consul.Require(test)
	}
	path, err := consul.Binary()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return path
}

// missing returns what of the machine's parts is missing, or nil.
var missing = sync.OnceValue(func() error {
	if os.Geteuid() != 0 {
		return errors.New("only root can make namespaces")
	}
	for _, program := range []string{"ip", "bridge", "iptables", "dockerd", "containerd", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	try := exec.Command("ip", "link", "add", "try", "type", "bridge")
	try.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	if out, err := try.CombinedOutput(); err != nil {
		return fmt.Errorf("making namespaces and a bridge: %w: %s", err, out)
	}
	return nil
})
