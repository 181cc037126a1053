package hosts

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// machine is a set of namespaces and the process that keeps them.
type machine struct {
	name string
	// spaces are the namespaces it has of its own, as /proc names them.
	spaces []string
	cmd    *exec.Cmd
	alive  io.Closer // the init ends when this is closed
	exited chan struct{}
}

// space is a kind of namespace, by its name in /proc/PID/ns.
var space = map[string]uintptr{
	"net": unix.CLONE_NEWNET, "mnt": unix.CLONE_NEWNS, "pid": unix.CLONE_NEWPID, "uts": unix.CLONE_NEWUTS, "ipc": unix.CLONE_NEWIPC,
}

// wholeHost are the kinds of namespaces that a host has of its own. Control groups are shared: engines need the machine's.
var wholeHost = []string{"net", "uts", "ipc", "pid", "mnt"}

// bootTime bounds the start of a machine's init.
const bootTime = 20 * time.Second

// boot starts init with its arguments in new namespaces and returns when it has prepared them.
func boot(init, name string, spaces []string, args ...string) (*machine, error) {
	m := &machine{name: name, spaces: spaces, cmd: exec.Command(init, args...), exited: make(chan struct{})}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt of the terminal is the lab's to hear
	for _, kind := range spaces {
		m.cmd.SysProcAttr.Cloneflags |= space[kind]
	}
	alive, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("booting %s: %w", name, err)
	}
	ready, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("booting %s: %w", name, err)
	}
	defer ready.Close()
	m.alive, m.cmd.Stdout = alive, out
	err = m.cmd.Start()
	out.Close()
	if err != nil {
		return nil, fmt.Errorf("booting %s: %w", name, err)
	}
	go func() {
		_ = m.cmd.Wait() // it ends by being killed
		close(m.exited)
	}()
	if err := ready.SetReadDeadline(time.Now().Add(bootTime)); err != nil {
		m.kill()
		return nil, fmt.Errorf("booting %s: %w", name, err)
	}
	line, err := bufio.NewReader(ready).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		m.kill()
		return nil, fmt.Errorf("booting %s: %w: %s", name, err, line)
	}
	return m, nil
}

// pid returns the init's number outside the machine.
func (m *machine) pid() int { return m.cmd.Process.Pid }

// start starts cmd inside the machine, in a session of its own. Its process has its usual number outside.
func (m *machine) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The main thread outlives its goroutine and would keep the namespaces: another has to go.
			done <- m.start(cmd)
			runtime.UnlockOSThread()
			return
		}
		// Never unlocked: the thread ends with this goroutine and takes its namespaces along.
		err := m.enter()
		if err == nil {
			err = cmd.Start()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("starting %s on %s: %w", cmd.Path, m.name, err)
	}
	return nil
}

// enter moves the calling thread into the machine's namespaces; its children are born in that of processes.
func (m *machine) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // or the thread could not change its mounts
		return fmt.Errorf("leaving the shared root: %w", err)
	}
	files := make([]*os.File, len(m.spaces)) // all opened first: /proc changes with the mounts
	for i, kind := range m.spaces {
		file, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", m.pid(), kind))
		if err != nil {
			return err
		}
		defer file.Close()
		files[i] = file
	}
	for i, kind := range m.spaces {
		if err := unix.Setns(int(files[i].Fd()), int(space[kind])); err != nil {
			return fmt.Errorf("entering namespace %s: %w", kind, err)
		}
	}
	return nil
}

// run runs a command inside the machine and returns what it wrote to its standard output.
func (m *machine) run(ctx context.Context, argv ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second // a child of its own may hold its output
	if err := m.start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s on %s: %w: %s", strings.Join(argv, " "), m.name, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// kill ends the machine as a loss of power does. If it has processes of its own, none is left when kill returns.
func (m *machine) kill() {
	_ = m.cmd.Process.Kill() // fails only if it has ended
	<-m.exited
	m.alive.Close()
}
