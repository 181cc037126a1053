package discovery

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// probesAtOnce bounds the probes in flight: enough that a mass of hundreds is through within seconds even if all of them time out.
const probesAtOnce = 64

// watchHolds lets held instances go when they stop accepting connections or their time is up.
func (c *Catalog) watchHolds(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.holding:
		case <-timer.C:
		}
		c.change(func(now time.Time) []string { return c.ledger.expire(now) })
		c.probe(ctx, c.due())
		if next, some := c.nextDue(); some {
			timer.Reset(time.Until(next))
		}
	}
}

// due returns the holds to be probed now, and sets their next time.
func (c *Catalog) due() []*hold {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var due []*hold
	for _, h := range c.ledger.holds {
		if !h.probe.After(now) {
			h.probe = now.Add(c.o.ProbeInterval)
			due = append(due, h)
		}
	}
	return due
}

// nextDue returns when a hold has to be looked at next, if there is one.
func (c *Catalog) nextDue() (next time.Time, some bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.ledger.holds {
		at := h.probe
		if h.mass.until.Before(at) {
			at = h.mass.until
		}
		if !some || at.Before(next) {
			next, some = at, true
		}
	}
	return next, some
}

// probe releases those of the holds at which nothing accepts connections any more.
func (c *Catalog) probe(ctx context.Context, due []*hold) {
	var g errgroup.Group
	g.SetLimit(probesAtOnce)
	for _, h := range due {
		g.Go(func() error {
			probing, cancel := context.WithTimeout(ctx, c.o.ProbeTimeout)
			defer cancel()
			if err := c.o.Probe(probing, h.instance.HostPort()); err != nil && ctx.Err() == nil {
				c.letGo(h, err)
			}
			return nil
		})
	}
	_ = g.Wait() // no probe returns an error
}

// letGo releases a hold that its probe has failed, unless it has ended by itself meanwhile.
func (c *Catalog) letGo(h *hold, reason error) {
	c.change(func(time.Time) []string {
		if c.ledger.holds[h.instance.ID] != h {
			return nil
		}
		c.log.Info("held instance no longer accepts connections", "instance", h.instance.ID, "error", reason)
		return []string{c.ledger.release(h)}
	})
}
