package healer

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Record is what is remembered of one service's repairs, through restarts and changes of leader. A service that is well has none.
type Record struct {
	Service string `json:"service"`
	// Signature tells the way of running the service that was tried.
	Signature string `json:"signature"`
	// Flight is the repair under way. It is written before anything is done, so that whoever finds it knows that it may have been.
	Flight *Flight `json:"flight,omitempty"`
	// Tries are the times of the attempts of the last hour (Policy.AttemptsIn), by what was attempted.
	Tries map[string][]time.Time `json:"tries,omitempty"`
	// Quarantine are the attempts given up, by what was attempted, with the time of the latest exception.
	Quarantine map[string]time.Time `json:"quarantine,omitempty"`
	// LastError is what became of the last repair that failed.
	LastError string `json:"last_error,omitempty"`

	index  uint64 // the document's, 0 for none
	broken string // why the document cannot be read
}

// Flight is a repair that is under way, or whose proof is awaited.
type Flight struct {
	ID         string `json:"id"`
	By         string `json:"by"`
	What       string `json:"what"`
	Kind       Kind   `json:"kind"`
	To         int    `json:"to,omitempty"`
	Slot       int    `json:"slot,omitempty"`
	Generation int    `json:"generation,omitempty"`
	Copy       string `json:"copy,omitempty"`
	// Superseded marks the stopping of a copy whose place another has taken.
	Superseded bool `json:"superseded,omitempty"`
	// Emptied is the host that is drained and that the copy is moved away from.
	Emptied string    `json:"emptied,omitempty"`
	Since   time.Time `json:"since"`
	// Done is when the engine had carried it out; zero as long as that is not known.
	Done time.Time `json:"done,omitzero"`
	// Was is how many copies were present before.
	Was    int    `json:"was"`
	Reason string `json:"reason"`
}

// String says what is under way.
func (f *Flight) String() string {
	switch {
	case f.Kind == Scale:
		return fmt.Sprintf("raising replicas to %d", f.To)
	case f.Kind == Start:
		return fmt.Sprintf("starting slot %d, generation %d", f.Slot, f.Generation)
	case f.Emptied != "":
		return fmt.Sprintf("moving copy %s away from %s", short(f.Copy), f.Emptied)
	case f.Superseded:
		return "stopping superseded copy " + short(f.Copy)
	}
	return "replacing copy " + short(f.Copy)
}

// due is when the proof must have come. What may not have been carried out yet has the time for that too.
func (f *Flight) due(p *Policy) time.Time {
	if f.Done.IsZero() {
		return f.Since.Add(p.ActTimeout + p.Verify)
	}
	return f.Done.Add(p.Verify)
}

// short is an ID as Docker shows it.
func short(id string) string { return id[:min(len(id), shortID)] }

// clone returns a record that may be changed.
func (r *Record) clone() *Record {
	c := *r
	if r.Flight != nil {
		flight := *r.Flight
		c.Flight = &flight
	}
	c.Tries = maps.Clone(r.Tries)
	c.Quarantine = maps.Clone(r.Quarantine)
	return &c
}

// empty reports whether there is nothing to remember.
func (r *Record) empty() bool {
	return r.Flight == nil && len(r.Tries) == 0 && len(r.Quarantine) == 0
}

// mend takes times from before a clock was set back, which lie in the future now, for those of the moment this healer came to act:
// nothing waits for longer than it should.
func (r *Record) mend(now, leading time.Time) {
	fix := func(t time.Time) time.Time {
		if t.After(now) {
			return leading
		}
		return t
	}
	for what, tries := range r.Tries {
		if slices.ContainsFunc(tries, now.Before) {
			tries = slices.Clone(tries)
			for i := range tries {
				tries[i] = fix(tries[i])
			}
			r.Tries[what] = tries
		}
	}
	for what, since := range r.Quarantine {
		r.Quarantine[what] = fix(since)
	}
	if r.Flight != nil {
		r.Flight.Since, r.Flight.Done = fix(r.Flight.Since), fix(r.Flight.Done)
	}
}

// prune forgets the attempts that are too old to count, and quarantines that are over: nothing was attempted for so long, because
// nothing was missing.
func (r *Record) prune(now time.Time, p *Policy) (changed bool) {
	for what, tries := range r.Tries {
		kept := slices.DeleteFunc(slices.Clone(tries), func(t time.Time) bool { return now.Sub(t) >= p.AttemptsIn })
		if len(kept) == len(tries) {
			continue
		}
		changed = true
		if len(kept) > 0 {
			r.Tries[what] = kept
		} else {
			delete(r.Tries, what)
		}
	}
	return changed
}

// release ends the quarantines of what has not been attempted in a while, now that nothing is missing.
func (r *Record) release() (changed bool) {
	for what := range r.Quarantine {
		if len(r.Tries[what]) == 0 {
			delete(r.Quarantine, what)
			changed = true
		}
	}
	return changed
}

// claim notes an attempt that is about to be made.
func (r *Record) claim(now time.Time, s *Service, f *Flight) {
	r.Service, r.Signature, r.Flight = s.Domain, s.signature(), f
	if r.Tries == nil {
		r.Tries = map[string][]time.Time{}
	}
	r.Tries[f.What] = append(slices.Clone(r.Tries[f.What]), now)
	if _, given := r.Quarantine[f.What]; given {
		r.Quarantine[f.What] = now
	}
}
