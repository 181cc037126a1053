package healer

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// errNotLeading ends a repair that was claimed, but not begun.
var errNotLeading = errors.New("another healer acts by now")

// begin writes a claim and carries the repair out in the background. Nothing is done that is not in the journal: whoever comes after
// us knows that it may have been.
func (s *Supervisor) begin(ctx context.Context, in *Input, c Claim) {
	domain, flight := c.Action.Service.Domain, c.Record.Flight.ID
	err := s.journal.write(ctx, domain, c.Record)
	s.warn("repair not begun", domain, err)
	if err != nil {
		return
	}
	s.written(in, domain)
	s.mu.Lock()
	s.acting[domain] = flight
	s.mu.Unlock()
	s.actions.Go(func() {
		err := s.act(ctx, c.Action)
		what, reason := "done: ", ""
		if err != nil {
			what, reason = "not done: ", err.Error()
		}
		s.record(AuditEntry{At: s.clock.now(), Cluster: s.o.Cluster, Service: domain, What: what + describe(&c.Action), Reason: reason})
		s.mu.Lock()
		delete(s.acting, domain)
		s.outcomes[domain] = Outcome{Flight: flight, At: s.clock.now(), Err: err}
		s.mu.Unlock()
		s.Wake()
	})
}

// act carries a repair out. The leadership is looked at right before, after what takes long.
func (s *Supervisor) act(ctx context.Context, a Action) error {
	ctx, cancel := context.WithTimeout(ctx, s.policy.ActTimeout)
	defer cancel()
	runtime, err := s.o.Runtime(a.Service)
	if err != nil {
		return err
	}
	if p, ok := runtime.(Preparer); ok {
		if err := p.Prepare(ctx, a); err != nil {
			return fmt.Errorf("preparing: %w", err)
		}
	}
	if !s.o.Lock.Held() {
		return errNotLeading
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("preparing took longer than %s: %w", s.policy.ActTimeout, err)
	}
	return runtime.Do(ctx, a)
}

// plus counts what a round has decided, and whether it is carried out.
func (t Totals) plus(r *Result, acting bool) Totals {
	t.Rounds++
	t.Planned = maps.Clone(t.Planned)
	if t.Planned == nil {
		t.Planned = map[Kind]int{}
	}
	for _, c := range r.Claims {
		if acting {
			t.Planned[c.Action.Kind]++
		}
	}
	for _, e := range r.Events {
		switch e.kind {
		case verified:
			t.Verified++
		case failed:
			t.Failed++
		case fenced:
			t.Fenced++
		case gaveUp:
			t.GaveUp++
		}
	}
	return t
}
