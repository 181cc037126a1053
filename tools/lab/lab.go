// Package lab starts the real parts that end-to-end tests and benchmarks work with: a fairlead process, backends, and clients
// that count. It is for building and testing only.
package lab

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
)

// TB is what the lab needs of a test. A testing.T is one; Main makes one for a program.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	TempDir() string
	Failed() bool
}

// program is the TB of a program: it logs to standard error and leaves on the first fault, after all clean-up.
type program struct {
	name    string
	cleanup []func()
	failed  bool
}

// Main runs f as a program's main, with a TB that cleans up when f returns, fails or is interrupted. A program is not skipped: what it
// lacks is a fault.
func Main(name string, f func(ctx context.Context, tb Skipper)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{name: name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.close()
		f(ctx, p)
	}()
	<-done
	stop()
	if p.failed {
		os.Exit(1)
	}
}

func (p *program) close() {
	for _, f := range slices.Backward(p.cleanup) {
		f()
	}
}

func (p *program) Helper()          {}
func (p *program) Name() string     { return p.name }
func (p *program) Failed() bool     { return p.failed }
func (p *program) Cleanup(f func()) { p.cleanup = append(p.cleanup, f) }
func (p *program) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (p *program) Fatalf(format string, args ...any) {
	p.Logf(format, args...)
	p.failed = true
	runtime.Goexit()
}

func (p *program) Skipf(format string, args ...any) { p.Fatalf(format, args...) }

func (p *program) TempDir() string {
	dir, err := os.MkdirTemp("", p.name)
	if err != nil {
		p.Fatalf("making a temporary folder: %v", err)
	}
	p.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
