package registrar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// act does what is due of a plan, a few services at once, those that are to take no more traffic first. A service that fails is tried
// again later; an agent that does not answer ends the whole, and is the error.
func (r *Registrar) act(ctx context.Context, p *plan) error {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(r.config.Writers)
	for _, a := range p.actions {
		r.mu.Lock()
		due := r.attempts.due(time.Now(), a)
		r.mu.Unlock()
		if !due {
			continue
		}
		g.Go(func() error {
			if limited.Err() != nil {
				return nil
			}
			err := r.perform(limited, a)
			switch {
			case limited.Err() != nil:
				return nil
			case errors.Is(err, errUnreachable):
				cancel()
				return err
			}
			r.note(a, err)
			return nil
		})
	}
	return g.Wait()
}

// perform carries out an action step by step, and stops at the first that fails.
func (r *Registrar) perform(ctx context.Context, a *action) error {
	if a.maintain != "" {
		if err := r.agent.maintain(ctx, a.name, a.id, a.maintain); err != nil {
			return err
		}
	}
	if a.deregister {
		return r.agent.deregister(ctx, a.name, a.id)
	}
	if a.register != nil {
		if err := r.agent.register(ctx, a.register, a.replace); err != nil {
			return err
		}
	}
	for _, check := range a.stale {
		if err := r.agent.removeCheck(ctx, a.name, a.id, check); err != nil {
			return err
		}
	}
	if a.resume {
		return r.agent.resume(ctx, a.name, a.id)
	}
	return nil
}

// note keeps the outcome of an action.
func (r *Registrar) note(a *action, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.status.Writes.Failed++
		if r.attempts.failed(time.Now(), a, err) {
			r.log.Error(fmt.Sprintf("cannot %s a service, trying again", a.doing()), "service", a.name, "id", a.id, "reason", err)
		}
		return
	}
	r.attempts.done(a)
	w := &r.status.Writes
	if a.deregister {
		w.Deregistered++
		delete(r.earlier, a.id)
		r.log.Info("deregistered", "service", a.name, "id", a.id, "reason", a.why)
	}
	if a.register != nil {
		w.Registered++
		r.log.Info("registered", "service", a.name, "id", a.id, "reason", a.why)
	}
	if a.maintain != "" {
		w.Drained++
		r.log.Info("in maintenance", "service", a.name, "id", a.id, "reason", a.maintain)
	}
	if a.resume {
		w.Resumed++
		r.log.Info("out of maintenance", "service", a.name, "id", a.id)
	}
}
