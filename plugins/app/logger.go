package app

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// follower is a slog.Handler for what outlives a configuration: it writes to the log of the newest one, as the writers of an old one
// are closed.
type follower struct {
	current *atomic.Pointer[slog.Handler]
	// steps are the groups and attributes added since, in their order.
	steps []func(slog.Handler) slog.Handler
}

// processLog is the log of everything that belongs to the process.
var processLog = func() *follower {
	f := &follower{current: new(atomic.Pointer[slog.Handler])}
	f.follow(slog.DiscardHandler)
	return f
}()

// follow makes h the handler that counts from now on.
func (f *follower) follow(h slog.Handler) { f.current.Store(&h) }

func (f *follower) handler() slog.Handler {
	h := *f.current.Load()
	for _, step := range f.steps {
		h = step(h)
	}
	return h
}

// Enabled implements slog.Handler.
func (f *follower) Enabled(ctx context.Context, level slog.Level) bool {
	return (*f.current.Load()).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (f *follower) Handle(ctx context.Context, r slog.Record) error {
	return f.handler().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (f *follower) WithAttrs(attrs []slog.Attr) slog.Handler {
	return f.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (f *follower) WithGroup(name string) slog.Handler {
	return f.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (f *follower) with(step func(slog.Handler) slog.Handler) *follower {
	steps := make([]func(slog.Handler) slog.Handler, len(f.steps), len(f.steps)+1)
	copy(steps, f.steps)
	return &follower{current: f.current, steps: append(steps, step)}
}

var _ slog.Handler = (*follower)(nil)
