package network

import (
	"sync"
	"sync/atomic"
)

// Generation is the listeners of one configuration while it is being loaded. They do not accept before the whole configuration has
// started, as long as an older one does: a configuration that fails half way has touched no connection.
type Generation struct {
	ended atomic.Bool
	mu    sync.Mutex
	then  []func() // what is to be told of the end; nil once it was
}

// loading is the generation that listeners are opened for. Caddy loads one configuration at a time.
var loading atomic.Pointer[Generation]

// Begin says that the listeners opened from now on belong to a configuration that has not started yet.
func Begin() *Generation {
	g := new(Generation)
	loading.Store(g)
	return g
}

// Loading returns the generation that listeners are opened for at present, nil outside of one.
func Loading() *Generation { return loading.Load() }

// End says that the configuration has started, or failed. Its listeners take over where they are still open.
func (g *Generation) End() {
	if !g.ended.CompareAndSwap(false, true) {
		return
	}
	loading.CompareAndSwap(g, nil)
	g.mu.Lock()
	then := g.then
	g.then = nil
	g.mu.Unlock()
	for _, f := range then {
		f()
	}
	open.Lock()
	defer open.Unlock()
	for _, s := range open.sockets {
		s.queue.lookAgain()
	}
}

// Waiting reports whether the generation has not started yet. One that is nil has.
func (g *Generation) Waiting() bool { return g != nil && !g.ended.Load() }

// Then calls f once the generation does not wait any more, at once if that is so already.
func (g *Generation) Then(f func()) {
	if g == nil {
		f()
		return
	}
	g.mu.Lock()
	if g.Waiting() {
		g.then = append(g.then, f)
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	f()
}
