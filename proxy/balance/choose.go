package balance

import (
	"slices"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Choose returns the member of p to try next, or nil if nobody is left: the members of the priority groups that have joined are
// all in tried, or at their connection limit. key is what the policy hash looks at (see HashString), and ignored by the others.
// The member's place is not taken yet: two callers may be given the last one, so Meter.Acquire decides.
//
// A lower group does not join because the members above have been tried: only their number counts (F5's rule). ChooseLower is for
// those of whom that is not true.
func Choose(p *pool.Pool, key uint64, tried []*pool.Member) *pool.Member {
	if p.Joined < 0 {
		return nil
	}
	return chooseFrom(p, Joined(p), key, tried)
}

// ChooseLower is Choose, and where it finds nobody it goes on to the lower priority groups, one after another. It is for a request
// that no member in tried has accepted a connection for: they are as good as down, only no check has seen it yet, and what is down
// does not keep lower groups from joining.
func ChooseLower(p *pool.Pool, key uint64, tried []*pool.Member) *pool.Member {
	if p.Joined < 0 {
		return nil
	}
	for k := Joined(p); k < len(p.Lineups); k++ {
		if m := chooseFrom(p, k, key, tried); m != nil {
			return m
		}
	}
	return nil
}

// chooseFrom chooses from the k+1 highest groups.
func chooseFrom(p *pool.Pool, k int, key uint64, tried []*pool.Member) *pool.Member {
	c := choice{pool: p, lineup: p.Lineups[k], tried: tried}
	switch p.Spec.Policy {
	case "least_conn":
		return c.leastConn()
	case "random":
		return c.random()
	case "peak_ewma":
		return c.peakEWMA()
	case "hash":
		return c.hash(key)
	default:
		return c.roundRobin()
	}
}

// Joined returns the index of the lowest priority group that takes traffic now, and of its lineup; -1 if nobody is up. Members at their connection limit do not count as active, so that
// lower groups join while too many above are full; without a limit that is what Build found. The first members below their limit
// end the count, so that a limit costs few loads until it is reached.
func Joined(p *pool.Pool) int {
	k := p.Joined
	if k < 0 || p.Spec.MemberMaxConns == 0 {
		return k
	}
	for ; k < len(p.Lineups)-1; k++ {
		active := 0
		for _, m := range p.Lineups[k].Members {
			if m.Full() {
				continue
			}
			if active++; active >= p.Spec.MinActive {
				return k
			}
		}
	}
	return k
}

// choice is one call of Choose.
type choice struct {
	pool   *pool.Pool
	lineup *pool.Lineup
	tried  []*pool.Member
}

// open reports whether m can be chosen.
func (c *choice) open(m *pool.Member) bool { return !slices.Contains(c.tried, m) && !m.Full() }

// from returns the first open member of the round from a slot on.
func (c *choice) from(slot int) *pool.Member {
	round := c.lineup.Schedule
	for range round {
		if m := c.lineup.Members[round[slot]]; c.open(m) {
			return m
		}
		if slot++; slot == len(round) {
			slot = 0
		}
	}
	return nil
}

// turn returns the next slot of the pool's round.
func (c *choice) turn() int {
	return int((c.pool.Meter.Turn.Add(1) - 1) % uint64(len(c.lineup.Schedule)))
}

// roundRobin takes members in turn, in proportion to their weights.
func (c *choice) roundRobin() *pool.Member { return c.from(c.turn()) }

// leastConn takes the member with the fewest requests in flight by weight. Equals are taken in turn, so that an idle pool is used
// evenly.
func (c *choice) leastConn() *pool.Member {
	members := c.lineup.Members
	at := int(c.lineup.Schedule[c.turn()])
	var best *pool.Member
	var least int64
	for range members {
		m := members[at]
		if at++; at == len(members) {
			at = 0
		}
		if !c.open(m) {
			continue
		}
		// a/v < b/w without division
		inFlight := m.Meter.InFlight.Load()
		if best == nil || inFlight*int64(best.Weight) < least*int64(m.Weight) {
			best, least = m, inFlight
		}
	}
	return best
}
