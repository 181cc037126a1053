package lane

import (
	"context"
	"net/netip"
	"sync"
)

// clients counts the connections of a listener.
type clients struct {
	mu    sync.Mutex
	total int
	lent  int                // handed over, and still open
	each  map[netip.Addr]int // of those that were counted by address
	none  chan struct{}      // closed when a drain has no more to wait for
	// wake are asked, when a drain begins, to end the connections that have no request.
	wake map[waker]struct{}
}

// waker is an engine's hold on a connection, or on many.
type waker interface{ endIdle() }

// enter counts a connection, or says why there may not be another one. counted is to be handed to leave.
func (c *clients) enter(limits *Limits, from netip.Addr) (counted bool, why Turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limits.Conns > 0 && c.total+c.lent >= limits.Conns {
		return false, TooManyConns
	}
	if most := limits.ConnsPerClient; most > 0 {
		if c.each[from] >= most {
			return false, TooManyPerAddr
		}
		c.count(from)
		counted = true
	}
	c.total++
	return counted, ""
}

// hold has drains ask w until release.
func (c *clients) hold(w waker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wake == nil {
		c.wake = map[waker]struct{}{}
	}
	c.wake[w] = struct{}{}
}

func (c *clients) release(w waker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.wake, w)
}

func (c *clients) count(from netip.Addr) {
	if c.each == nil {
		c.each = map[netip.Addr]int{}
	}
	c.each[from]++
}

func (c *clients) uncount(from netip.Addr) {
	if c.each[from]--; c.each[from] == 0 {
		delete(c.each, from)
	}
}

// lend counts a connection that is handed over, until gone is called. A drain does not wait for it.
func (c *clients) lend(limits *Limits, from netip.Addr) (gone func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent++
	counted := limits.ConnsPerClient > 0
	if counted {
		c.count(from)
	}
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lent--
		if counted {
			c.uncount(from)
		}
	})
}

func (c *clients) leave(from netip.Addr, counted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if counted {
		c.uncount(from)
	}
	if c.total--; c.total == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// drain ends idle connections and waits for the others.
func (c *clients) drain(ctx context.Context) {
	c.mu.Lock()
	none := c.none
	if c.total > 0 && none == nil {
		none = make(chan struct{})
		c.none = none
	}
	wakers := make([]waker, 0, len(c.wake))
	for w := range c.wake {
		wakers = append(wakers, w)
	}
	c.mu.Unlock()
	if none == nil {
		return
	}
	for _, w := range wakers {
		w.endIdle()
	}
	select {
	case <-none:
	case <-ctx.Done():
	}
}

// Connections returns the number of open connections of the listener.
func (l *Listener) Connections() int {
	l.clients.mu.Lock()
	defer l.clients.mu.Unlock()
	return l.clients.total
}
