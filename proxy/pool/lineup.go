package pool

import "math"

// slots is about the length of a round: weights beyond it are scaled down, so that a weight of 65535 costs no more memory than
// one of 100. Every member keeps one slot at least.
const slots = 1024

// newLineup prepares members, all of them active, for being chosen from.
func newLineup(members []*Member) *Lineup {
	l := &Lineup{Members: members}
	weights := make([]int, len(members))
	for i, m := range members {
		weights[i] = m.Weight
		l.Weight += m.Weight
	}
	l.Schedule = schedule(scale(weights))
	return l
}

// scale brings weights into the smallest whole numbers that keep their proportions, or nearly so where a round would be too long.
func scale(weights []int) []int {
	weights, total := reduce(weights)
	if total <= slots {
		return weights
	}
	scaled := make([]int, len(weights))
	for i, w := range weights {
		scaled[i] = max(1, int(math.Round(float64(w)*slots/float64(total))))
	}
	scaled, _ = reduce(scaled)
	return scaled
}

// reduce divides weights by their greatest common divisor and adds them up.
func reduce(weights []int) (reduced []int, total int) {
	divisor := 0
	for _, w := range weights {
		for a := w; a != 0; {
			divisor, a = a, divisor%a
		}
	}
	reduced = make([]int, len(weights))
	for i, w := range weights {
		reduced[i] = w / divisor
		total += reduced[i]
	}
	return reduced, total
}

// schedule lays out one round of smooth weighted round robin, as nginx does it: in every turn each member gains its weight, the
// richest one is chosen and pays the sum of all weights, so that a heavy member's turns are spread over the round.
func schedule(weights []int) []uint16 {
	weights = weights[:min(len(weights), math.MaxUint16+1)]
	total, equal := 0, true
	for _, w := range weights {
		total += w
		equal = equal && w == 1
	}
	round := make([]uint16, 0, total)
	if equal {
		for i := range weights {
			round = append(round, uint16(i))
		}
		return round
	}
	gained := make([]int, len(weights))
	for range total {
		best := 0
		for i, w := range weights {
			gained[i] += w
			if gained[i] > gained[best] {
				best = i
			}
		}
		gained[best] -= total
		round = append(round, uint16(best))
	}
	return round
}
