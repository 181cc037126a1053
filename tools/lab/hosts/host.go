package hosts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/tools/consul"
)

// Host is one host of a lab, powered on or off.
type Host struct {
	// Name is its host name, and that of its nodes in Swarm and Consul.
	Name    string
	Address netip.Addr
	// Dir holds what outlives a power-off: the engine's and Consul's data, and logs.
	Dir string

	lab     *Lab
	machine *machine // nil while it is off
	on      atomic.Bool
	dockerd *Process
	engine  *client.Client
	consul  *consul.Agent
}

// Times that a busy machine keeps.
const (
	engineTime = 90 * time.Second
	leaderTime = 90 * time.Second
)

// PowerOn starts the host, its engine and its Consul server, with the data they had, and what Options.Boot adds. It returns when the
// engine answers. A start that fails leaves the host off.
func (h *Host) PowerOn(ctx context.Context) error {
	if h.machine != nil {
		return fmt.Errorf("host %s is on already", h.Name)
	}
	if err := h.powerOn(ctx); err != nil {
		return errors.Join(err, h.PowerOff())
	}
	h.on.Store(true)
	return nil
}

func (h *Host) powerOn(ctx context.Context) error {
	run := filepath.Join(h.Dir, "run")
	if err := os.RemoveAll(run); err != nil { // /run is empty after a boot
		return err
	}
	folders := map[string]string{run: "/run", filepath.Join(h.Dir, "etc"): "/etc/docker", filepath.Join(h.Dir, "docker"): "/var/lib/docker"}
	args := []string{h.Name}
	for outside, inside := range folders {
		if err := os.MkdirAll(outside, 0o755); err != nil {
			return err
		}
		args = append(args, outside+":"+inside)
	}
	var err error
	if h.machine, err = boot(h.lab.init, h.Name, wholeHost, args...); err != nil {
		return err
	}
	if err := h.lab.net.plug(ctx, h.machine, h.Address); err != nil {
		return err
	}
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error { return h.StartDocker(both) })
	group.Go(h.startConsul)
	if err := group.Wait(); err != nil {
		return err
	}
	if h.lab.options.Boot != nil {
		return h.lab.options.Boot(ctx, h)
	}
	return nil
}

// PowerOff ends everything on the host at once, its containers included, and takes it off the network. Nothing can be lost that a
// program has written to a file: this machine keeps it.
func (h *Host) PowerOff() error {
	if h.machine == nil {
		return nil
	}
	h.on.Store(false)
	h.machine.kill()
	h.machine = nil
	if h.engine != nil {
		h.engine.Close() // its connections; it makes new ones
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return errors.Join(h.lab.net.unplug(ctx, h.Name), removeGroups(h.group()))
}

// On reports whether the host is powered on and up. It may be asked at any time.
func (h *Host) On() bool { return h.on.Load() }

// PID returns the number of the host's first process, for nsenter -t PID -a; 0 while it is off.
func (h *Host) PID() int {
	if h.machine == nil {
		return 0
	}
	return h.machine.pid()
}

// Run runs a command on the host and returns its standard output; what it wrote to standard error is in the error.
func (h *Host) Run(ctx context.Context, argv ...string) (string, error) {
	if h.machine == nil {
		return "", fmt.Errorf("host %s is off", h.Name)
	}
	return h.machine.run(ctx, argv...)
}

// StartCommand starts a prepared command on the host, in a session of its own; its caller waits for it. It ends with the host.
func (h *Host) StartCommand(cmd *exec.Cmd) error {
	if h.machine == nil {
		return fmt.Errorf("host %s is off", h.Name)
	}
	return h.machine.start(cmd)
}

// Docker returns a client of the host's engine, the same for ever.
func (h *Host) Docker() *client.Client { return h.engine }

// Dockerd returns the engine's present process.
func (h *Host) Dockerd() *Process { return h.dockerd }

// Consul returns the host's Consul server. It ends with a power-off, and PowerOn starts it again.
func (h *Host) Consul() *consul.Agent { return h.consul }

// Socket returns the path of the engine's socket on this machine; on the host it is the usual one.
func (h *Host) Socket() string { return filepath.Join(h.Dir, "run", "docker.sock") }

// Addr returns host:port for a port of the host.
func (h *Host) Addr(port int) string { return netip.AddrPortFrom(h.Address, uint16(port)).String() }

// group is the control group that its containers' are in.
func (h *Host) group() string { return h.lab.group() + "/" + h.Name }

func (h *Host) startConsul() error {
	if h.consul != nil {
		return h.consul.Restart()
	}
	dir := filepath.Join(h.Dir, "consul")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	o := consul.Options{Node: h.Name, Address: h.Address.String(), Start: h.StartCommand, Settings: h.lab.options.Consul}
	for _, other := range h.lab.Hosts {
		o.Servers = append(o.Servers, other.Address.String())
	}
	var err error
	h.consul, err = consul.Launch(h.lab.consul, dir, o)
	return err
}

func (h *Host) waitConsul(context.Context) error { return h.consul.WaitLeader(leaderTime) }
