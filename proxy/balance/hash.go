package balance

import (
	"math"

	"github.com/fairlead/fairlead/proxy/pool"
)

// HashString returns the hash of what a pool's policy looks at, for Choose. It is the same in every process, so that several edges
// send a client to the same member.
func HashString(s string) uint64 {
	// FNV-1a, and a finalizer since its high bits hardly change with the last octets.
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix spreads every bit of h over all of the result (the finalizer of SplitMix64).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// hash takes the member of the highest score for the key that carries no more than its share: weighted rendezvous hashing with
// bounded loads (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads).
//
// Rendezvous rather than a ring: it needs no table to build and keep for each of thousands of pools, follows weights exactly, moves
// a member's keys to all others evenly when it goes, and knows the next best one when a member is full or tried. It looks at every
// member, as bounding the load does anyway.
func (c *choice) hash(key uint64) *pool.Member {
	var inFlight int64
	for _, m := range c.lineup.Members {
		inFlight += m.Meter.InFlight.Load()
	}
	// The most that one unit of weight may carry, this request included.
	share := float64(inFlight+1) * float64(c.pool.Spec.HashBalance) / 100 / float64(c.lineup.Weight)
	equal := len(c.lineup.Schedule) == len(c.lineup.Members)
	var best, fallback *pool.Member
	var bestScore, fallbackScore float64
	for _, m := range c.lineup.Members {
		if !c.open(m) {
			continue
		}
		s := score(key, m, equal)
		if fallback == nil || s > fallbackScore {
			fallback, fallbackScore = m, s
		}
		// Below its share is below the next whole number above it too, which is the bound.
		if (best == nil || s > bestScore) && float64(m.Meter.InFlight.Load()) < share*float64(m.Weight) {
			best, bestScore = m, s
		}
	}
	if best == nil {
		return fallback
	}
	return best
}

// score returns a member's rank for a key. u is uniform between 0 and 1, and -weight/ln(u) makes a member win in proportion to its
// weight; for equal weights the order is that of u, and the logarithm is saved.
func score(key uint64, m *pool.Member, equal bool) float64 {
	u := (float64(mix(key^m.Hash)>>11) + 0.5) / (1 << 53)
	if equal {
		return u
	}
	return -float64(m.Weight) / math.Log(u)
}
