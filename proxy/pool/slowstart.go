package pool

import (
	"fmt"
	"time"
)

// steps is how many times a member's weight is raised during its slow start. A tenth is also what it begins with (as in Envoy),
// and steps keep rounds short and new snapshots few.
const steps = 10

// slowStart dates the members that came up since the previous snapshot, and ramps the weights of those that have not been up long.
// There is no ramp for a pool in which nobody was up: it would spare nobody.
func (b *poolBuild) slowStart() {
	before := map[string]*Member{}
	if b.old != nil {
		for _, m := range b.old.Members {
			if m.State == Active {
				before[m.ID()] = m
			}
		}
	}
	heaviest, ramping := 0, map[*Member]int{}
	for _, m := range b.pool.Members {
		if m.State != Active {
			continue
		}
		heaviest = max(heaviest, m.Weight)
		switch old := before[m.ID()]; {
		case old != nil && old.Addr == m.Addr: // at another address it is another process
			m.UpSince = old.UpSince
		case len(before) > 0:
			m.UpSince = b.in.Now
		}
		if step := b.step(m); step < steps {
			ramping[m] = step
		}
	}
	if len(ramping) > 0 {
		b.ramp(ramping, heaviest)
	}
}

// step returns how many tenths of its weight a member has by now, and sees to it that the pool is built again at the next one.
func (b *poolBuild) step(m *Member) int {
	whole := b.pool.Spec.SlowStart
	tenth := whole / steps
	age := b.in.Now.Sub(m.UpSince)
	if tenth == 0 || m.UpSince.IsZero() || age >= whole {
		return steps
	}
	step := min(max(1, int(age/tenth)), steps-1)
	next := m.UpSince.Add(tenth * time.Duration(step+1))
	if step == steps-1 {
		next = m.UpSince.Add(whole)
	}
	b.due(next)
	return step
}

// ramp gives the members in their slow start a part of their weight. All weights of the pool are multiplied for that time, so
// that a tenth of weight 1 is a whole number, unless they are fine enough already.
func (b *poolBuild) ramp(ramping map[*Member]int, heaviest int) {
	factor := steps
	if heaviest > mostWeight/steps {
		factor = 1
	}
	for _, m := range b.pool.Members {
		if m.State != Active {
			continue
		}
		step, ok := ramping[m]
		if !ok {
			m.Weight *= factor
			continue
		}
		m.Weight = max(1, m.Weight*factor*step/steps)
		if m.Reason == "" {
			m.Reason = fmt.Sprintf("slow start: %d %% of its weight", step*100/steps)
		}
	}
}
