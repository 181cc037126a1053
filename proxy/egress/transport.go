package egress

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Options of a Transport. The zero value of a field stands for its default.
type Options struct {
	// IdlePerMember and Idle bound the idle connections of each member and of all together: 256 and 8192.
	IdlePerMember, Idle int
	// Sweep is how often expired idle connections are looked for: 1 s.
	Sweep time.Duration
	// Probe is the idle time after which TCP itself asks whether a member is still there: 30 s.
	Probe time.Duration
	// Dialer opens the connections; nil dials directly.
	Dialer Dialer
}

// Transport opens, keeps and closes connections to members. It is made once per process and shared by all doors.
type Transport struct {
	// Queue is where requests wait for a place at the members.
	Queue Queue

	dialer Dialer
	guard  guard
	idle   *idle
	http2  http2
	sweep  time.Duration
}

// New returns a transport that refuses no addresses of its own yet: see SetPolicy. Its idle connections are reaped while Run runs.
func New(o Options) *Transport {
	if o.IdlePerMember == 0 {
		o.IdlePerMember = 256
	}
	if o.Idle == 0 {
		o.Idle = 8192
	}
	if o.Sweep == 0 {
		o.Sweep = time.Second
	}
	if o.Probe == 0 {
		o.Probe = 30 * time.Second
	}
	if o.Dialer == nil {
		o.Dialer = newDirectDialer(o.Probe)
	}
	t := &Transport{dialer: o.Dialer, idle: newIdle(o.IdlePerMember, o.Idle), sweep: o.Sweep}
	t.SetPolicy(NewPolicy(nil, nil))
	return t
}

// SetPolicy replaces what may be dialled from now on. Open connections stay.
func (t *Transport) SetPolicy(p *Policy) { t.guard.policy.Store(p) }

// Idle returns an unused connection to the target, the one used last, or nil. With sure it is known to be open at this moment, which
// costs a system call; else the member may have closed it.
func (t *Transport) Idle(to *Target, now time.Time, sure bool) *Conn {
	k := to.key()
	for {
		c := t.idle.take(k)
		if c == nil {
			return nil
		}
		if c.expires.After(now) && (!sure || c.Alive()) {
			return c
		}
		c.Close()
	}
}

// DialError is the error of a connection that did not come about: nothing was sent on it.
type DialError struct {
	Addr string
	Err  error
}

func (e *DialError) Error() string { return fmt.Sprintf("connecting to %s: %v", e.Addr, e.Err) }

// Unwrap returns the cause, a *ForbiddenError for an address that must not be dialled.
func (e *DialError) Unwrap() error { return e.Err }

// Dial opens a new connection. Its error is a *DialError.
func (t *Transport) Dial(ctx context.Context, to *Target) (*Conn, error) {
	if to.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, to.Timeout)
		defer cancel()
	}
	c, err := t.dialer.Dial(ctx, to.Addr, t.guard.check)
	if err != nil {
		return nil, &DialError{Addr: to.Addr, Err: err}
	}
	return newConn(c, to.key())
}

// Put keeps c for the next exchange with its member for as long as keepalive, or closes it. Nothing of the last exchange may be
// outstanding; a connection with unread bytes, or that was aborted, is closed.
func (t *Transport) Put(c *Conn, now time.Time, keepalive time.Duration) {
	if keepalive <= 0 || c.Reader.Buffered() > 0 || c.aborted.Load() {
		c.Close()
		return
	}
	c.Reader.Release()
	c.Reused = true
	c.expires = now.Add(keepalive)
	if !t.idle.put(c) {
		c.Close()
	}
}

// Keep follows a new snapshot: it closes the idle connections of every member that is not in s, under the same address, or may take
// no traffic any more, and lets those who wait for a place try again. It is called once decisions are made by s.
func (t *Transport) Keep(s *pool.Snapshot) {
	t.Queue.Recheck()
	leaving := t.idle.members()
	t.http2.keys(leaving)
	if len(leaving) == 0 {
		return
	}
	for _, c := range s.Clusters {
		for _, p := range c.Services {
			for _, m := range p.Members {
				if m.State == pool.Active || m.State == pool.Draining {
					delete(leaving, key{m.Instance.ID, m.Addr})
				}
			}
		}
	}
	if len(leaving) > 0 {
		t.forget(func(k key) bool { return leaving[k] })
	}
}

func (t *Transport) forget(gone func(key) bool) {
	closeAll(t.idle.sweep(time.Now(), gone))
	t.http2.forget(gone)
}

// Run closes idle connections as their time ends, until ctx ends, and all of them then.
func (t *Transport) Run(ctx context.Context) error {
	tick := time.NewTicker(t.sweep)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			closeAll(t.idle.sweep(now, nil))
		case <-ctx.Done():
			t.forget(func(key) bool { return true })
			return ctx.Err()
		}
	}
}

// Idles returns the number of idle connections.
func (t *Transport) Idles() int { return int(t.idle.total.Load()) }

func closeAll(conns []*Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// Refuses says why addr must not be dialled; empty for one that may.
func (t *Transport) Refuses(addr netip.AddrPort) string { return t.guard.policy.Load().Refusal(addr) }
