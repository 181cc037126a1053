package forward

import (
	"net/http"
	"sync"
	"time"
)

// client sets time limits on the client's connection, where the server has none of its own. net/http keeps a limit for the
// connection's next request, so whoever sets one takes it off again. Reads may be ended by another goroutine than the reading one.
type client struct {
	control         *http.ResponseController
	reads, writes   bool // limits of ours are wanted
	readAt, writeAt time.Time

	mu    sync.Mutex
	ended bool // of reads
}

func clientOf(w http.ResponseWriter, r *http.Request) *client {
	c := &client{control: http.NewResponseController(w), reads: true, writes: true}
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		c.reads, c.writes = s.ReadTimeout <= 0, s.WriteTimeout <= 0
	}
	return c
}

// readWithin makes reads of the request body fail after d or a little later. It is cheap to call often.
func (c *client) readWithin(d time.Duration) {
	now := time.Now()
	if !c.reads || c.readAt.Sub(now) >= d {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.readAt = now.Add(d + d/8)
		_ = c.control.SetReadDeadline(c.readAt)
	}
}

// readUnbound takes the limit off.
func (c *client) readUnbound() {
	if c.readAt.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.readAt = time.Time{}
		_ = c.control.SetReadDeadline(time.Time{})
	}
}

// longAgo as a deadline ends pending reads and writes.
var longAgo = time.Unix(1, 0)

// endReads makes reads of the request body fail from at on, whatever is asked for later by readWithin.
func (c *client) endReads(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	_ = c.control.SetReadDeadline(at)
}

// writeWithin makes writes of the response fail after d or a little later. It is cheap to call often.
func (c *client) writeWithin(d time.Duration) {
	if now := time.Now(); c.writes && c.writeAt.Sub(now) < d {
		c.writeAt = now.Add(d + d/8)
		_ = c.control.SetWriteDeadline(c.writeAt)
	}
}

// writeUnbound takes the limit off.
func (c *client) writeUnbound() {
	if !c.writeAt.IsZero() {
		c.writeAt = time.Time{}
		_ = c.control.SetWriteDeadline(time.Time{})
	}
}
