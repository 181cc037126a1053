package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// startTime bounds how long a peer may take to serve.
const startTime = time.Minute

// process is a running peer.
type process struct {
	name   string
	engine string // of Fairlead's lane, empty for what has none
	settings
	cmd    *exec.Cmd
	exited chan struct{}
}

// start starts the peer and returns when it serves on both its addresses.
func (p *peer) start(ctx context.Context, tb lab.TB, s settings) *process {
	tb.Helper()
	s = s.at(tb)
	commands, err := p.write(s)
	if err != nil {
		tb.Fatalf("writing the configuration of %s: %v", p.name, err)
	}
	run, err := launch(p.name, s, commands[0])
	if err != nil {
		tb.Fatalf("starting %s: %v", p.name, err)
	}
	run.engine = p.engine
	tb.Cleanup(run.stop)
	for _, door := range s.Doors() {
		if err := run.await(ctx, door); err != nil {
			tb.Fatalf("starting %s: %v\n%s", p.name, err, run.log())
		}
	}
	return run
}

// launch runs a command that ends when this program does.
func launch(name string, s settings, command []string) (*process, error) {
	log, err := os.Create(filepath.Join(s.Dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	run := &process{name: name, settings: s, cmd: exec.Command(command[0], command[1:]...), exited: make(chan struct{})}
	run.cmd.Dir, run.cmd.Stdout, run.cmd.Stderr = s.Dir, log, log
	run.cmd.Env = append(os.Environ(), "HOME="+s.Dir, "XDG_DATA_HOME="+s.Dir, "XDG_CONFIG_HOME="+s.Dir)
	run.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // which a master passes on to its workers
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the signal comes when the thread ends that has started the process
		defer runtime.UnlockOSThread()
		err := run.cmd.Start()
		started <- err
		if err == nil {
			_ = run.cmd.Wait() // why it ended is in its log
			close(run.exited)
		}
	}()
	return run, <-started
}

// await waits until a door answers 200.
func (r *process) await(ctx context.Context, door address) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	client := newClient(r.settings, door)
	defer client.CloseIdleConnections()
	for {
		status, _, err := get(ctx, client, "/128")
		switch {
		case err == nil && status == http.StatusOK:
			return nil
		case err == nil:
			err = fmt.Errorf("it answers %d", status)
		}
		select {
		case <-r.exited:
			return errors.New("it has ended")
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process, with a word first, so that it takes its children along.
func (r *process) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
	select {
	case <-r.exited:
	case <-time.After(5 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.exited
	}
}

// log returns the end of what it wrote.
func (r *process) log() string {
	text, err := os.ReadFile(filepath.Join(r.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// cpu returns the processor time that it and its children have used.
func (r *process) cpu() (time.Duration, error) { return lab.CPU(r.cmd.Process.Pid) }

// memory returns the proportional set size of it and its children, in bytes.
func (r *process) memory() (int64, error) { return lab.PSS(r.cmd.Process.Pid) }
