package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a program that runs on a host.
type Process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
	err    error // valid once exited is closed
}

// Launch starts a program on the host and does not wait for it. What it writes goes to the host's file label.log. It ends with the host,
// if nobody ends it before.
func (h *Host) Launch(label string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, log: filepath.Join(h.Dir, label+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s on %s: %w", label, h.Name, err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := h.StartCommand(cmd); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// PID returns the process's number outside the host.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait waits until the process has ended, for at most so long, and returns its error.
func (p *Process) Wait(most time.Duration) error {
	select {
	case <-p.exited:
		return p.err
	case <-time.After(most):
		return fmt.Errorf("process %d has not ended in %s", p.PID(), most)
	}
}

// Stop ends the process as an operator does, and at once after so long.
func (p *Process) Stop(most time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(most):
		p.Kill()
		return fmt.Errorf("process %d did not end in %s and was killed", p.PID(), most)
	}
}

// Kill ends the process at once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.exited
}

// Pause stops the process without ending it: its connections stand and nothing answers. It returns when every thread has stopped.
func (p *Process) Pause() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for range 1000 {
		if p.paused() {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("process %d does not stop", p.PID())
}

// paused reports whether every thread is stopped: state T in /proc/PID/task/TID/stat, after the name in brackets (proc(5)).
func (p *Process) paused() bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID())) // the pattern is well formed
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if _, state, _ := strings.Cut(string(text), ") "); err == nil && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// Resume ends a Pause.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Log returns the last 4,000 bytes of what the process and those before it with the same label wrote.
func (p *Process) Log() string {
	text, _ := os.ReadFile(p.log) // nothing written is an answer as well
	return string(text[max(0, len(text)-4000):])
}
