package registrar

import (
	"context"
	"errors"
	"time"
)

// turn compares once and does what is due; it returns how long nothing else will be.
func (r *Registrar) turn(ctx context.Context) (time.Duration, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-r.acting:
	}
	defer func() { r.acting <- struct{}{} }()
	if !r.isRunning() {
		return 0, errEnded
	}
	err := r.compare(ctx)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.standing(err)
	if err != nil {
		return 0, err
	}
	return r.rest(time.Now()), nil
}

// standing keeps how the agent stands after a comparison. Its caller holds mu.
func (r *Registrar) standing(err error) {
	s := &r.status.Agent
	switch {
	case err == nil && !(s.Up && s.Leader):
		r.log.Info("registering", "node_id", r.identity.node)
	case err != nil && s.Reason != err.Error():
		r.log.Error("nothing can be registered at present", "reason", err)
	}
	s.Up = err == nil || errors.Is(err, errNoLeader)
	s.Leader = err == nil
	s.Reason = ""
	if err != nil {
		s.Reason = err.Error()
	}
	if s.Up {
		s.LastAnswer = time.Now()
	}
}

// rest returns how long nothing is due. Its caller holds mu.
func (r *Registrar) rest(now time.Time) time.Duration {
	wait := r.config.Resync
	if next := r.attempts.next(); !next.IsZero() {
		wait = min(wait, next.Sub(now))
	}
	if end := r.started.Add(r.config.Probation); r.status.Counts.Ghosts > 0 && now.Before(end) {
		wait = min(wait, end.Sub(now))
	}
	return max(wait, time.Millisecond)
}

// compare reads what the agent has, plans and acts.
func (r *Registrar) compare(ctx context.Context) error {
	if err := r.meet(ctx); err != nil {
		return err
	}
	if !r.agent.leader(ctx) {
		return errNoLeader
	}
	has, err := r.agent.read(ctx)
	if err != nil {
		return err
	}
	s := r.situation(has)
	p := s.plan()
	r.mu.Lock()
	r.attempts.settle(p.actions)
	r.mu.Unlock()
	err = r.act(ctx, p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.Agent.Node == "" {
		r.status.Agent.Node = has.node()
	}
	r.report(s, p)
	return err
}

// situation gathers what a plan is made of, and forgets what is over.
func (r *Registrar) situation(has *holdings) *situation {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.earlier == nil {
		r.earlier = map[string]bool{}
		for id, is := range has.services {
			if r.identity.owns(is) {
				r.earlier[id] = true
			}
		}
	}
	s := &situation{
		identity: r.identity, wanted: r.desired.build(r.config, r.identity), removed: map[string]string{}, has: has,
		drained: map[string]string{}, released: map[string]bool{}, earlier: r.earlier,
		ghosts: r.desired.complete() && time.Since(r.started) >= r.config.Probation,
	}
	for id, gone := range r.desired.removed {
		// A registration that was given up for lost may arrive late.
		if has.services[id] == nil && !has.filtered && time.Since(gone.at) >= r.config.Probation {
			delete(r.desired.removed, id)
			delete(r.earlier, id)
			continue
		}
		s.removed[id] = gone.service
	}
	for id, reason := range r.drained {
		if s.wanted[id] == nil && has.services[id] == nil {
			delete(r.drained, id)
			continue
		}
		s.drained[id] = reason
	}
	for id := range r.released {
		if _, on := has.maintenance(id); !on {
			delete(r.released, id)
			continue
		}
		s.released[id] = true
	}
	return s
}
