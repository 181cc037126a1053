package docker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// publisher is what a follower has reported.
type publisher struct {
	report    func(discovery.Update)
	dirty     bool // something may have to be reported
	complete  bool // the first complete report is out
	ruled     bool // what is new may come from our rules and not from the engine
	firstList time.Time
	services  map[string]*discovery.Service
	status    discovery.SourceStatus
	reported  time.Time
}

// publish reports what has changed, but not more often than Gather; it returns when it wants to be called again.
func (f *follower) publish(now time.Time) time.Time {
	if !f.complete && !f.ready(now) {
		return f.preface(now)
	}
	if at := f.reported.Add(f.config.Gather); f.dirty && now.Before(at) {
		return at
	}
	if f.dirty {
		f.publishChanges(now)
	}
	if at := f.reported.Add(f.config.SignOfLife); now.Before(at) {
		return at
	}
	if f.listed.After(f.status.LastAnswer) {
		f.say(discovery.Update{}, now)
	}
	return now.Add(f.config.SignOfLife)
}

// ready reports whether the first report may go out: every container has been answered for, or enough time was given.
func (f *follower) ready(now time.Time) bool {
	if f.firstList.IsZero() {
		return false
	}
	for _, e := range f.entries {
		if !e.settled {
			return !now.Before(f.firstList.Add(f.config.Patience))
		}
	}
	return true
}

// preface reports, before anything can be said of containers, why that is so.
func (f *follower) preface(now time.Time) time.Time {
	if !slices.Equal(f.doubts(), f.status.Doubts) {
		f.say(discovery.Update{}, now)
	}
	if f.firstList.IsZero() {
		return time.Time{}
	}
	return f.firstList.Add(f.config.Patience)
}

func (f *follower) publishChanges(now time.Time) {
	f.dirty = false
	services, refusals := assemble(f.claims())
	f.refuse(refusals)
	changed := map[string]*discovery.Service{}
	for name, s := range services {
		if old := f.services[name]; old != nil && same(old, s) {
			services[name] = old
		} else {
			changed[name] = s
		}
	}
	for name := range f.services {
		if services[name] == nil {
			changed[name] = &discovery.Service{Name: name}
		}
	}
	f.services = services
	switch {
	case !f.complete:
		f.complete = true
		for _, e := range f.entries {
			e.late = !e.settled
		}
		f.say(discovery.Update{Services: services, Complete: true, Trusted: true}, now)
	case len(changed) > 0:
		f.say(discovery.Update{Services: changed, Trusted: !f.ruled}, now)
	case !slices.Equal(f.doubts(), f.status.Doubts) || f.strategy() != f.status.Strategy || !slices.Equal(f.source.refused(), f.status.Refused):
		f.say(discovery.Update{}, now)
	}
	f.ruled = false
}

// claims returns what every container makes.
func (f *follower) claims() []claim {
	all := make([]claim, 0, len(f.entries))
	for _, e := range f.entries {
		c := claim{id: e.id, built: e.instances(f.builder)}
		if e.facts != nil {
			c.name, c.created = e.facts.name, e.facts.created
		}
		all = append(all, c)
	}
	return all
}

// refuse publishes the refusals and logs the new ones.
func (f *follower) refuse(now []Refusal) {
	before := f.source.Refusals()
	for _, r := range now {
		if !slices.Contains(before, r) {
			f.log.Warn("docker: refused", "container", r.Container, "port", r.Port, "service", r.Service, "reason", r.Reason)
		}
	}
	for _, r := range before {
		if !slices.Contains(now, r) {
			f.log.Info("docker: no longer refused", "container", r.Container, "port", r.Port, "service", r.Service, "reason", r.Reason)
		}
	}
	f.source.refusals.Store(&now)
}

// say reports, with the state of the moment.
func (f *follower) say(u discovery.Update, now time.Time) {
	f.status = discovery.SourceStatus{
		Name: f.source.Name(), Ready: f.complete, LastAnswer: f.listed, Strategy: f.strategy(), Doubts: f.doubts(),
		Refused: f.source.refused(),
	}
	if f.streams {
		f.status.Watches = 1
	}
	u.Status = f.status
	f.reported = now
	f.report(u)
}

func (f *follower) strategy() string {
	if f.streams {
		return fmt.Sprintf("events, and a list every %s", f.config.Interval)
	}
	if f.stream == nil {
		return fmt.Sprintf("a list every %s, no events yet", f.config.Interval)
	}
	return fmt.Sprintf("a list every %s, no events (%v)", f.config.Interval, f.stream)
}

// mostDoubts is how many containers are named that cannot be asked about.
const mostDoubts = 8

// doubts says what is unknown: the engine, or single containers while it answers.
func (f *follower) doubts() []discovery.Doubt {
	if f.failed != nil {
		return []discovery.Doubt{{Kind: discovery.SourceDoubt, Reason: f.failed.Error(), Since: f.since}}
	}
	var all []discovery.Doubt
	for _, e := range f.entries {
		switch {
		case e.failures > 0:
			all = append(all, e.doubts(fmt.Sprintf("container %s: %v", e.id, e.failed), e.since)...)
		case e.late && !e.settled:
			all = append(all, e.doubts(fmt.Sprintf("container %s: no answer yet", e.id), f.firstList)...)
		}
	}
	slices.SortFunc(all, func(a, b discovery.Doubt) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Service, b.Service))
	})
	return all[:min(len(all), mostDoubts)]
}

// doubts returns one doubt for each service of the container. Of one that has never been seen it cannot be said which service it
// belongs to: the whole source is in doubt.
func (e *entry) doubts(reason string, since time.Time) []discovery.Doubt {
	doubt := discovery.Doubt{Kind: discovery.SourceDoubt, Reason: reason, Since: since}
	var all []discovery.Doubt
	for _, i := range append(slices.Clone(e.made.instances), e.known...) {
		doubt.Service = i.Service
		if !slices.Contains(all, doubt) {
			all = append(all, doubt)
		}
	}
	if len(all) == 0 {
		all = append(all, doubt)
	}
	return all
}
