package healer

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// settle brings the repair under way forward: what became of carrying it out, and whether its effect has been seen. In doubt nothing
// is judged, and the repair stays under way.
func (t *trial) settle() {
	f := t.record.Flight
	if f == nil {
		return
	}
	domain := t.service.Domain
	if outcome, finished := t.in.Outcomes[domain]; finished && outcome.Flight == f.ID && f.Done.IsZero() {
		if outcome.Err != nil {
			t.fail(outcome.Err.Error(), errors.Is(outcome.Err, ErrFenced))
			return
		}
		f.Done, t.dirty = outcome.At, true
	}
	if t.in.Acting[domain] == f.ID {
		return
	}
	if f.By == t.in.Self && f.Done.IsZero() {
		t.fail("it was not carried out: the journal did not take it, or the leadership was lost", false)
		return
	}
	if t.sight.Doubt != "" || !t.observed() {
		return
	}
	if t.effective(f) && t.now.Sub(t.see(domain+" effect "+f.ID, t.read.At).since) >= t.policy.SettleFor {
		t.count(verified, domain, "verified: "+f.String(), fmt.Sprintf("%d of %d present", t.sight.Present, t.service.Count))
		t.record.Flight, t.record.LastError, t.dirty = nil, "", true
		t.memory.pace = min(2*t.memory.pace, t.policy.Parallel)
		return
	}
	if !t.now.Before(t.due(f)) {
		t.fail(fmt.Sprintf("its effect has not been seen within %s", t.policy.Verify), false)
	}
}

// due is when the proof of a repair must have come. One that another healer may not have begun can be begun by it no more, since it
// does not hold the lock now: it gets the time for its proof from when we came to act.
func (t *trial) due(f *Flight) time.Time {
	if f.Done.IsZero() && f.By != t.in.Self && f.Since.Before(t.in.LeadingSince) {
		return t.in.LeadingSince.Add(t.policy.Verify)
	}
	return f.due(&t.policy)
}

// effective reports whether a later reading shows what a repair was for.
func (t *trial) effective(f *Flight) bool {
	o := &t.read.Observation
	gone := !slices.ContainsFunc(o.Copies, func(c Copy) bool { return c.ID == f.Copy && c.Running })
	switch {
	case f.Kind == Scale:
		return o.Replicas >= f.To && t.sight.Present >= min(f.To, t.service.Count)
	case f.Kind == Start:
		return t.started(f)
	case f.Superseded:
		return gone
	case f.Emptied != "": // nothing takes the place of a copy of a plain engine
		return gone && (t.service.Run.Swarm == "" || t.sight.Present >= f.Was)
	}
	return gone && (t.sight.Present > f.Was || t.sight.Present >= t.service.Count)
}

// started reports whether the copy that was started runs and is present; where it cannot be told which instance it is, that there are
// more than before.
func (t *trial) started(f *Flight) bool {
	for i := range t.read.Observation.Copies {
		c := &t.read.Observation.Copies[i]
		if c.Slot != f.Slot || c.Generation < f.Generation || !c.Running {
			continue
		}
		if registered := t.sight.registered(c); len(registered) > 0 {
			return slices.ContainsFunc(registered, (*discovery.Instance).Present)
		}
		return t.sight.Present > f.Was
	}
	return false
}

// fail ends a repair that came to nothing. The wait for the next attempt begins now. Where somebody else was faster nothing is wrong,
// but the attempt counts all the same, so that two who race do not race on.
func (t *trial) fail(reason string, elsewhere bool) {
	f := t.record.Flight
	kind, what := failed, "failed: "
	if elsewhere {
		kind, what = fenced, "left to another: "
	} else {
		t.memory.pace = 1
		t.record.LastError = fmt.Sprintf("%s: %s", f, reason)
	}
	t.count(kind, t.service.Domain, what+f.String(), reason)
	if tries := t.record.Tries[f.What]; len(tries) > 0 {
		tries = slices.Clone(tries)
		tries[len(tries)-1] = latest(tries[len(tries)-1], t.now)
		t.record.Tries[f.What] = tries
	}
	t.record.Flight, t.dirty = nil, true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
