package docker

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
)

// follower keeps what is known of the containers. One goroutine, run, has it all to itself; requests run in goroutines of their own
// and pass their answers to it.
type follower struct {
	source  *Source
	config  Config
	log     *slog.Logger
	engine  *engine
	group   *errgroup.Group // of the requests under way
	inbox   chan any        // event, streaming, listing, answer
	builder builder
	entries map[string]*entry

	sequence uint64 // of requests, in the order in which they begin
	asking   int    // containers asked for at the moment
	inventory
	publisher
}

func newFollower(s *Source, known map[string]*discovery.Service, report func(discovery.Update)) *follower {
	c := s.config
	f := &follower{
		source: s, config: c, engine: s.engine, inbox: make(chan any),
		log:     c.Logger.With("cluster", c.Cluster, "source", s.Name()),
		builder: builder{rule: addressRule{c: c}, node: c.Node},
		entries: map[string]*entry{},
	}
	f.inventory.known = byContainer(known)
	f.publisher.report = report
	return f
}

// byContainer sorts restored instances by the container they ran in.
func byContainer(known map[string]*discovery.Service) map[string][]discovery.Instance {
	all := map[string][]discovery.Instance{}
	for _, s := range known {
		for _, i := range s.Instances {
			if id := i.Meta[discovery.MetaContainer]; id != "" {
				all[id] = append(all[id], i)
			}
		}
	}
	return all
}

// pass hands a message to run.
func (f *follower) pass(ctx context.Context, message any) error {
	select {
	case f.inbox <- message:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run follows the engine until ctx ends.
func (f *follower) run(ctx context.Context, group *errgroup.Group) error {
	f.group = group
	f.listAt = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case m := <-f.inbox:
			f.take(m, time.Now())
		}
		timer.Reset(time.Until(f.step(ctx, time.Now())))
	}
}

// take takes in a message.
func (f *follower) take(message any, now time.Time) {
	switch m := message.(type) {
	case event:
		f.hear(m, now)
	case streaming:
		f.takeStream(m, now)
	case listing:
		f.takeList(m, now)
	case answer:
		f.takeAnswer(m, now)
	}
}

// step does what is due and returns when something will be next.
func (f *follower) step(ctx context.Context, now time.Time) time.Time {
	next := now.Add(f.config.Interval)
	soon := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	if !f.listing && !now.Before(f.listAt) {
		f.list(ctx, now)
	}
	if !f.listing {
		soon(f.listAt)
	}
	for _, e := range f.entries {
		due, at := e.due(now, f.config.Survive)
		switch {
		case !due:
			soon(at)
		case f.asking < f.config.Readers: // else the next answer makes room
			f.ask(ctx, e, now)
		}
	}
	soon(f.publish(now))
	return next
}

// hear takes in an event: its container is asked for at once, and the list soon.
func (f *follower) hear(ev event, now time.Time) {
	e := f.entries[ev.container]
	if e == nil {
		e = f.add(ev.container)
	}
	e.hear(ev, now, f.sequence)
	f.hintList(now)
	f.dirty = f.dirty || e.stale
}

// add begins to follow a container.
func (f *follower) add(id string) *entry {
	e := &entry{id: id, known: f.inventory.known[id]}
	f.entries[id] = e
	return e
}

// answer is what the engine said of a container; facts is nil if there is none of that ID.
type answer struct {
	entry    *entry
	sequence uint64
	facts    *container
	err      error
}

// ask asks for a container.
func (f *follower) ask(ctx context.Context, e *entry, now time.Time) {
	f.sequence++
	f.asking++
	e.begin(now)
	a := answer{entry: e, sequence: f.sequence}
	f.group.Go(func() error {
		a.facts, a.err = f.engine.container(ctx, e.id)
		return f.pass(ctx, a)
	})
}

func (f *follower) takeAnswer(a answer, now time.Time) {
	f.asking--
	e := a.entry
	if f.entries[e.id] != e {
		return // it has left meanwhile
	}
	f.dirty = true
	switch {
	case a.err != nil:
		e.fail(a.err, now, backoff(f.config.BackoffMin, f.config.BackoffMax, e.failures+1))
		f.log.Debug("docker: container cannot be asked for", "container", e.id, "failures", e.failures, "error", a.err)
	case a.facts == nil:
		delete(f.entries, e.id)
	case !a.facts.running:
		e.take(nil, a.sequence, f.config.Survive)
	default:
		e.take(a.facts, a.sequence, f.config.Survive)
	}
}
