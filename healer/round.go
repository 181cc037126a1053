package healer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
)

// round asks for the truth, plans, and carries out.
func (s *Supervisor) round(ctx context.Context) {
	in := s.look(ctx)
	if ctx.Err() != nil {
		return
	}
	now := s.clock.now()
	result := Plan(now, in)
	s.memory = result.Memory
	s.show(now, in, result)
	if s.o.DryRun {
		return
	}
	s.tell(result.Tell)
	if !in.Leading || in.Book == nil {
		return
	}
	s.remember(ctx, in, result)
	for _, c := range result.Claims {
		s.begin(ctx, in, c)
	}
	s.drains(ctx, in, result)
}

// look reads all that a plan is made from. The engines come before the facts, which are there at once.
func (s *Supervisor) look(ctx context.Context) *Input {
	in := &Input{
		Cluster: s.o.Cluster, Policy: s.policy, Self: s.self, Wall: s.o.Wall(),
		Memory: s.memory, Leading: s.o.Lock.Held(),
	}
	now := s.clock.now()
	if step := s.clock.stepped(); step > s.policy.ClockStep {
		s.tilted = now.Add(s.policy.ClockPause)
		s.log.Warn("the clock was set, nothing is healed for a while", "by", step, "for", s.policy.ClockPause)
	}
	in.ClockUntil = s.tilted
	desired, problem := s.o.Desired.Current()
	in.Services, in.Problem = desired.In(s.o.Cluster), problem
	book, err := s.journal.Read(ctx)
	if err != nil {
		in.Blind = err.Error()
	}
	in.Book = book
	in.Reads = s.observe(ctx, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	in.Acting, in.Outcomes = maps.Clone(s.acting), maps.Clone(s.outcomes)
	// After the actions' ends, so that no end is taken for news about facts before it.
	in.View = Look(s.o.Catalog.Facts(), in.Services)
	in.Leading = in.Leading && s.o.Lock.Held() // it may have been lost meanwhile: asking takes long, or the process was stopped
	switch {
	case !in.Leading:
		s.leading = time.Time{}
	case s.leading.IsZero():
		s.leading = now
	}
	in.LeadingSince = s.leading
	return in
}

// observe asks the engines about the services that are not as wanted, or are under repair, and about all while a host is drained. All have the same time for it, so that an
// engine that hangs costs one time-out.
func (s *Supervisor) observe(ctx context.Context, in *Input) map[string]Read {
	view := Look(s.o.Catalog.Facts(), in.Services)
	ctx, cancel := context.WithTimeout(ctx, s.policy.ObserveTimeout)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	reads := map[string]Read{}
	for _, service := range in.Services {
		state := judge(service, view.Sights[service.Domain])
		if (state == Passing || state == Unknown) && !in.Book.busy(service.Domain) {
			continue
		}
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			read := Read{}
			runtime, err := s.o.Runtime(service)
			if err == nil {
				read.Observation, err = runtime.Observe(ctx, service)
			}
			read.At, read.Err = s.clock.now(), err
			mu.Lock()
			defer mu.Unlock()
			reads[service.Domain] = read
		})
	}
	wg.Wait()
	return reads
}

// remember writes what has changed other than by claims, and tells what follows. What is not written is decided anew in the next round.
func (s *Supervisor) remember(ctx context.Context, in *Input, result *Result) {
	for _, domain := range slices.Sorted(maps.Keys(result.Records)) {
		err := s.journal.write(ctx, domain, result.Records[domain])
		s.warn("record not written", domain, err)
		if err == nil {
			s.written(in, domain)
		}
	}
	if result.Matters == nil {
		return
	}
	_, err := s.journal.put(ctx, s.journal.mattersKey(), result.Matters, result.Matters.index)
	s.warn("matters not written", "", err)
	if !errors.Is(err, state.ErrConflict) { // else another has told it
		s.tell(result.Matters.tell)
	}
}

// written forgets the outcome that a record has taken in.
func (s *Supervisor) written(in *Input, domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if outcome, there := in.Outcomes[domain]; there && s.outcomes[domain].Flight == outcome.Flight {
		delete(s.outcomes, domain)
	}
}

func (s *Supervisor) warn(what, domain string, err error) {
	if err != nil {
		s.log.Warn(what+", deciding anew", "service", domain, "error", err)
	}
}

func (s *Supervisor) tell(notices []Notice) {
	if s.o.Notifier == nil {
		return
	}
	for _, n := range notices {
		s.o.Notifier.Notify(n)
	}
}

// show keeps the status for others to see, and logs what is decided otherwise than in the round before.
func (s *Supervisor) show(now time.Time, in *Input, result *Result) {
	desired, _ := s.o.Desired.Current()
	next := Status{
		Cluster: s.o.Cluster, At: now, Leading: in.Leading, LeadingSince: in.LeadingSince, DryRun: s.o.DryRun,
		Problem: in.Problem, Doubt: in.View.Doubt, Blind: in.Blind, Frozen: result.Frozen, Services: result.Services,
	}
	if desired != nil {
		next.Desired = desired.Version
	}
	if in.Book != nil {
		next.JournalProblems = in.Book.Problems
		for _, p := range in.Book.Pauses {
			if p.holds(now, in.Wall) {
				next.Pauses = append(next.Pauses, p)
			}
		}
	}
	s.mu.Lock()
	next.Drains = s.shownDrains(result.Drains)
	before := s.status
	next.Totals = before.Totals.plus(result, !s.o.DryRun)
	s.status = next
	s.opened = open(in, result)
	s.mu.Unlock()
	events := result.Events
	was := map[string]ServiceStatus{}
	for _, status := range before.Services {
		was[status.Service] = status
	}
	for _, status := range result.Services {
		old, known := was[status.Service]
		if known && old.State == status.State && old.Gate == status.Gate || !known && status.State == Passing {
			continue
		}
		what := "is " + string(status.State)
		reason := status.Reason
		if status.Gate != "" {
			reason = string(status.Gate) + ": " + status.Refusal
		}
		events = append(events, AuditEntry{At: next.At, Cluster: s.o.Cluster, Service: status.Service, What: what, Reason: reason})
	}
	for _, e := range events {
		s.record(e)
	}
}

// record adds to the audit log.
func (s *Supervisor) record(e AuditEntry) {
	s.audit.add(e)
	s.log.Info("healer: "+e.What, "service", e.Service, "reason", e.Reason)
}
