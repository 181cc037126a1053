package balance

import (
	"math/rand/v2"

	"github.com/fairlead/fairlead/proxy/pool"
)

// random takes a member at random, in proportion to the weights: a slot of the round is as good as a lot.
func (c *choice) random() *pool.Member { return c.from(rand.IntN(len(c.lineup.Schedule))) }

// peakEWMA takes the cheaper of two members drawn at random, where cost is the peak-EWMA latency times the requests in flight with
// this one, by weight (as in Finagle). Two draws find a good member almost as surely as a look at all, and do not let every proxy
// rush to the same best one.
func (c *choice) peakEWMA() *pool.Member {
	members := c.lineup.Members
	first := c.openFrom(rand.IntN(len(members)), len(members))
	if first < 0 || len(members) == 1 {
		return c.member(first)
	}
	second := c.openFrom((first+1+rand.IntN(len(members)-1))%len(members), first)
	if second >= 0 && cheaper(members[second], members[first]) {
		return members[second]
	}
	return members[first]
}

// openFrom returns the index of the first open member from i on, other than the one at index but; -1 if there is none.
func (c *choice) openFrom(i, but int) int {
	members := c.lineup.Members
	for range members {
		if i != but && c.open(members[i]) {
			return i
		}
		if i++; i == len(members) {
			i = 0
		}
	}
	return -1
}

// member returns the member at an index, nil for -1.
func (c *choice) member(i int) *pool.Member {
	if i < 0 {
		return nil
	}
	return c.lineup.Members[i]
}

// cheaper reports whether a costs less than b. While one of them has never been observed, latency says nothing: their load alone
// decides, so that a newcomer gets its share and is not flooded before its first answer.
func cheaper(a, b *pool.Member) bool {
	costA := float64(a.Meter.InFlight.Load()+1) / float64(a.Weight)
	costB := float64(b.Meter.InFlight.Load()+1) / float64(b.Weight)
	now := pool.Clock()
	latencyA, latencyB := a.Meter.LatencyAt(now), b.Meter.LatencyAt(now)
	if latencyA > 0 && latencyB > 0 {
		costA *= float64(latencyA)
		costB *= float64(latencyB)
	}
	return costA < costB
}
