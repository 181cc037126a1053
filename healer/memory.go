package healer

import (
	"maps"
	"time"
)

// Memory is what a healer remembers from one round to the next, in this life of its process: since when it has seen what. Plan takes
// one and returns the next; nil is an empty one.
type Memory struct {
	evidence map[string]evidence
	freeze   *freeze
	// pace is how many repairs may be under way.
	pace int
	// doubted is when the cluster was last in doubt, inDoubt whether it was in the round before.
	doubted time.Time
	inDoubt bool
	// matters are those told by every healer, whether it acts or not.
	matters map[string]matter
}

// evidence is for how long, and how often, something has been seen without a break.
type evidence struct {
	since, last time.Time
	reads       int
}

// next returns the memory of the coming round: what is not seen again in it is forgotten.
func (m *Memory) next() *Memory {
	next := &Memory{evidence: map[string]evidence{}, pace: 1}
	if m != nil {
		next.freeze, next.pace, next.doubted = m.freeze, max(1, m.pace), m.doubted
		next.matters = maps.Clone(m.matters)
	}
	if next.matters == nil {
		next.matters = map[string]matter{}
	}
	return next
}

// see notes that something is so by a reading made at a time. Readings closer together than gap count as one.
func (m *Memory) see(before *Memory, what string, at time.Time, gap time.Duration) evidence {
	e, known := evidence{}, false
	if before != nil {
		e, known = before.evidence[what]
	}
	switch {
	case !known:
		e = evidence{since: at, last: at, reads: 1}
	case at.Sub(e.last) >= gap:
		e.last = at
		e.reads++
	}
	m.evidence[what] = e
	return e
}

// freeze is the fleet brake in force.
type freeze struct {
	since  time.Time
	reason string
	// clear is since when the cause is gone; zero while it is there.
	clear time.Time
}
