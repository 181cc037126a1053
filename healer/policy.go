package healer

import (
	"cmp"
	"time"
)

// Policy holds every timer and limit of the healer. What is zero takes its default.
type Policy struct {
	// WarmUp (2 min) is how long the healer only watches: after its start, after it has become the one that acts, and after its
	// cluster was in doubt.
	WarmUp time.Duration
	// DeficitFor (1 min) is how long something must be wrong before it is mended; LostAfter (2 min) is that time where copies were on a
	// node that is lost, and before people are told of what the engine should have mended by itself.
	DeficitFor, LostAfter time.Duration
	// SelfStopMargin (45 s) is how much longer than SERVICE_SELF_STOP a lost copy that stops itself is waited for: to notice that there is
	// no leader takes its agent seconds, and the container has its own time to stop.
	SelfStopMargin time.Duration
	// ReadGap (5 s) is the time between two readings from which they are independent; what is mended was seen in at least two.
	ReadGap time.Duration

	// FleetMin (3) and FleetPercent (50) are the fleet brake: with so many nodes of the cluster lost, or so many copies on living
	// nodes critical, nothing is done, until it was less for FleetClear (2 min).
	FleetMin, FleetPercent int
	FleetClear             time.Duration

	// PerMinute (6) is the most actions in a minute in the cluster. Parallel (4) is the most that may wait for their proof at a time:
	// one at first, twice as many after each that is proven, one again after each that failed.
	PerMinute, Parallel int

	// BackoffMin (30 s) is the wait after the first attempt at a slot, doubled with each up to BackoffMax (15 min). After Attempts (5)
	// within AttemptsIn (1 h) the slot is in quarantine: people are told, and it is tried once every QuarantineFor (1 h).
	BackoffMin, BackoffMax time.Duration
	Attempts               int
	AttemptsIn             time.Duration
	QuarantineFor          time.Duration

	// An action is proven when a later reading shows its effect for SettleFor (10 s) without a break, and has failed if that did not
	// come about within Verify (1 min) after it was carried out, which may take ActTimeout (5 min), pulling an image included.
	SettleFor, Verify, ActTimeout time.Duration

	// Tick (5 s) is the time between two rounds without any other reason; RoundGap (1 s) that between two at least.
	Tick, RoundGap time.Duration
	// ObserveTimeout (10 s) bounds what one round asks the engines, StateTimeout (5 s) one access to the shared state.
	ObserveTimeout, StateTimeout time.Duration

	// ClockStep (2 s) is by how much the clock may be set at once; beyond it nothing is done for ClockPause (30 s).
	ClockStep, ClockPause time.Duration
	// DoubtFor (1 min) is how long a doubt must last before people are told.
	DoubtFor time.Duration
	// AuditSize (1000) is how many decisions are kept in memory.
	AuditSize int
}

// withDefaults fills in what is zero.
func (p Policy) withDefaults() Policy {
	p.WarmUp = cmp.Or(p.WarmUp, 2*time.Minute)
	p.DeficitFor = cmp.Or(p.DeficitFor, time.Minute)
	p.LostAfter = cmp.Or(p.LostAfter, 2*time.Minute)
	p.SelfStopMargin = cmp.Or(p.SelfStopMargin, 45*time.Second)
	p.ReadGap = cmp.Or(p.ReadGap, 5*time.Second)
	p.FleetMin = cmp.Or(p.FleetMin, 3)
	p.FleetPercent = cmp.Or(p.FleetPercent, 50)
	p.FleetClear = cmp.Or(p.FleetClear, 2*time.Minute)
	p.PerMinute = cmp.Or(p.PerMinute, 6)
	p.Parallel = cmp.Or(p.Parallel, 4)
	p.BackoffMin = cmp.Or(p.BackoffMin, 30*time.Second)
	p.BackoffMax = cmp.Or(p.BackoffMax, 15*time.Minute)
	p.Attempts = cmp.Or(p.Attempts, 5)
	p.AttemptsIn = cmp.Or(p.AttemptsIn, time.Hour)
	p.QuarantineFor = cmp.Or(p.QuarantineFor, time.Hour)
	p.SettleFor = cmp.Or(p.SettleFor, 10*time.Second)
	p.Verify = cmp.Or(p.Verify, time.Minute)
	p.ActTimeout = cmp.Or(p.ActTimeout, 5*time.Minute)
	p.Tick = cmp.Or(p.Tick, 5*time.Second)
	p.RoundGap = cmp.Or(p.RoundGap, time.Second)
	p.ObserveTimeout = cmp.Or(p.ObserveTimeout, 10*time.Second)
	p.StateTimeout = cmp.Or(p.StateTimeout, 5*time.Second)
	p.ClockStep = cmp.Or(p.ClockStep, 2*time.Second)
	p.ClockPause = cmp.Or(p.ClockPause, 30*time.Second)
	p.DoubtFor = cmp.Or(p.DoubtFor, time.Minute)
	p.AuditSize = cmp.Or(p.AuditSize, 1000)
	return p
}

// backoff returns the wait after the nth attempt in a row.
func (p *Policy) backoff(n int) time.Duration {
	wait := p.BackoffMin
	for ; n > 1 && wait < p.BackoffMax; n-- {
		wait *= 2
	}
	return min(wait, p.BackoffMax)
}
