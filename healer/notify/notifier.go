package notify

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/healer"
)

// Notifier tells every receiver of every notice. Safe for concurrent use.
type Notifier struct {
	receivers []*receiver
	matters   func() (open []healer.Notice, all, ok bool)
	every     time.Duration
}

var _ healer.Notifier = (*Notifier)(nil)

// New checks the settings: templates are tried, and secrets, certificates and commands must be there. Nothing is sent before Run.
func New(c Config) (*Notifier, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("the directory of notifications: %w", err)
	}
	c.Dir = dir
	n := &Notifier{matters: c.Matters, every: c.Follow}
	names := map[string]bool{}
	for _, config := range c.Receivers {
		s, kind, name, err := config.open()
		if err != nil {
			return nil, err
		}
		if names[name] {
			return nil, fmt.Errorf("there are two receivers %s; give them names of their own", name)
		}
		names[name] = true
		n.add(newReceiver(c, name, kind, s))
	}
	return n, nil
}

func (n *Notifier) add(r *receiver) {
	r.others = func(notice healer.Notice) {
		for _, other := range n.receivers {
			if other != r {
				other.offer(notice)
			}
		}
	}
	n.receivers = append(n.receivers, r)
}

// Notify queues a notice for every receiver and returns at once.
func (n *Notifier) Notify(notice healer.Notice) {
	for _, r := range n.receivers {
		r.offer(notice)
	}
}

// Run sends until ctx ends, and returns ctx's error then, with the queues on the disk. It is called once. Another Notifier with the
// same queues waits until this one has ended. Whoever calls Notify must have ended before ctx does: what comes later is not kept.
func (n *Notifier) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range n.receivers {
		g.Go(func() error { return r.run(ctx) })
	}
	g.Go(func() error { return n.follow(ctx) })
	return g.Wait()
}

// follow compares what is open with what the receivers were told of.
func (n *Notifier) follow(ctx context.Context) error {
	if n.matters == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	ticker := time.NewTicker(n.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if open, all, ok := n.matters(); ok {
			for _, r := range n.receivers {
				r.agree(open, all)
			}
		}
	}
}
