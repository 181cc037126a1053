package healer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/discovery"
)

// Gate names what refuses a repair.
type Gate string

// The gates, in the order in which they are asked. Each has to let a repair pass.
const (
	GateLeading    Gate = "leading"    // another healer acts
	GateJournal    Gate = "journal"    // what was done before cannot be read, or what is to be done not be written
	GateWarmUp     Gate = "warm-up"    // too early to tell
	GateClock      Gate = "clock"      // the clock was set
	GatePaused     Gate = "paused"     // an operator's order
	GateDoubt      Gate = "doubt"      // the facts are in doubt
	GateRuntime    Gate = "runtime"    // the engine does not answer
	GateNothing    Gate = "nothing"    // there is nothing that we could do
	GateReads      Gate = "reads"      // seen once only
	GateHoldDown   Gate = "hold-down"  // not for long enough
	GateBrake      Gate = "brake"      // too much is wrong at once
	GateDrain      Gate = "drain"      // a copy on a drained host must stay until another is moved, or for good
	GateFlight     Gate = "flight"     // a repair is under way
	GateBudget     Gate = "budget"     // too many repairs
	GateQuarantine Gate = "quarantine" // too many attempts
	GateBackOff    Gate = "back-off"   // too soon after the last attempt
	GateBusy       Gate = "busy"       // the engine is changing the service
	GatePartition  Gate = "partition"  // a copy may still run on a node that is cut off, or must not be restarted without a person
)

// leastReads is how many independent readings must show the same.
const leastReads = 2

// gates are asked in this order; the first reason refuses. Those up to GateNothing are asked without a repair (nil) too.
var gates = []struct {
	name Gate
	ask  func(*trial, *repair) string
}{
	{GateLeading, (*trial).leading},
	{GateJournal, (*trial).journal},
	{GateWarmUp, (*trial).warmUp},
	{GateClock, (*trial).clock},
	{GatePaused, (*trial).paused},
	{GateDoubt, func(t *trial, _ *repair) string { return t.sight.Doubt }},
	{GateRuntime, (*trial).runtime},
	{GateNothing, (*trial).nothing},
	{GateReads, (*trial).reads},
	{GateHoldDown, (*trial).holdDown},
	{GateBrake, (*trial).braked},
	{GateDrain, (*trial).drained},
	{GateFlight, (*trial).flight},
	{GateBudget, (*trial).budget},
	{GateQuarantine, (*trial).quarantine},
	{GateBackOff, (*trial).backOff},
	{GateBusy, (*trial).busy},
	{GatePartition, (*trial).partition},
}

// ask returns the gate that refuses a repair and its reason, or nothing.
func (t *trial) ask(r *repair) (Gate, string) {
	for _, g := range gates {
		if reason := g.ask(t, r); reason != "" {
			return g.name, reason
		}
	}
	return "", ""
}

func (t *trial) leading(*repair) string {
	if !t.in.Leading {
		return "another healer acts, or nobody can tell who does"
	}
	return ""
}

func (t *trial) journal(*repair) string {
	if t.in.Blind != "" {
		return t.in.Blind
	}
	return t.record.broken
}

func (t *trial) warmUp(*repair) string {
	if t.in.View.Doubt != "" {
		return "" // the gate that follows says more
	}
	if t.now.Sub(t.in.LeadingSince) < t.policy.WarmUp {
		return fmt.Sprintf("only watching for the first %s", t.policy.WarmUp)
	}
	if doubted := t.memory.doubted; !doubted.IsZero() && t.now.Sub(doubted) < t.policy.WarmUp {
		return fmt.Sprintf("only watching for %s after the cluster was in doubt", t.policy.WarmUp)
	}
	return ""
}

func (t *trial) clock(*repair) string {
	if t.now.Before(t.in.ClockUntil) {
		return fmt.Sprintf("the clock was set; waiting for %s", t.policy.ClockPause)
	}
	return ""
}

func (t *trial) paused(r *repair) string {
	if t.in.Book == nil {
		return ""
	}
	for i := range t.in.Book.Pauses {
		pause := &t.in.Book.Pauses[i]
		if !pause.holds(t.now, t.in.Wall) {
			continue
		}
		switch {
		case pause.Scope == PauseAll,
			pause.Scope == PauseService && strings.EqualFold(pause.Name, t.service.Domain),
			pause.Scope == PauseHost && t.touches(r, pause.Name):
			return "paused: " + pause.String()
		}
	}
	return t.heldBack(r)
}

// touches reports whether a repair would do something on a host: what runs on a plain engine stays on its own.
func (t *trial) touches(r *repair, host string) bool {
	if r != nil && (strings.EqualFold(r.action.Node, host) || strings.EqualFold(r.node, host)) || strings.EqualFold(t.service.Run.Host, host) {
		return true
	}
	return t.service.Run.Swarm == "" && slices.ContainsFunc(t.sight.Instances, func(i *discovery.Instance) bool {
		return strings.EqualFold(i.Node, host)
	})
}

func (t *trial) runtime(*repair) string {
	switch {
	case t.read == nil:
		return "the engine was not asked"
	case t.read.Err != nil:
		return t.read.Err.Error()
	}
	return ""
}

func (t *trial) nothing(r *repair) string {
	if r != nil {
		return ""
	}
	if t.record.Flight != nil {
		return "waiting for the effect of " + t.record.Flight.String()
	}
	if busy := t.busy(nil); busy != "" {
		return t.advice + "; " + busy
	}
	return t.advice
}

func (t *trial) reads(r *repair) string {
	if r == nil || r.evidence.reads >= leastReads {
		return ""
	}
	return fmt.Sprintf("seen in %d of %d readings", r.evidence.reads, leastReads)
}

func (t *trial) holdDown(r *repair) string {
	if r == nil || r.age(t.now) >= r.hold {
		return ""
	}
	return fmt.Sprintf("not so for %s yet", r.hold)
}

func (t *trial) braked(*repair) string {
	if t.memory.freeze == nil {
		return ""
	}
	lifted := func(p Pause) bool { return p.Scope == PauseBrake && p.holds(t.now, t.in.Wall) }
	if t.in.Book != nil && slices.ContainsFunc(t.in.Book.Pauses, lifted) {
		return ""
	}
	return "frozen: " + t.memory.freeze.reason
}

func (t *trial) flight(*repair) string {
	if t.record.Flight != nil {
		return "one at a time: " + t.record.Flight.String()
	}
	return ""
}

func (t *trial) budget(*repair) string {
	if t.flying >= t.memory.pace {
		return fmt.Sprintf("%d repairs of the cluster are under way, and %d are allowed until one is proven", t.flying, t.memory.pace)
	}
	if t.spent >= t.policy.PerMinute {
		return fmt.Sprintf("%d repairs in the last minute, and no more are allowed", t.spent)
	}
	return ""
}

func (t *trial) backOff(r *repair) string {
	if r == nil {
		return ""
	}
	tries := t.tries(r.what)
	if len(tries) == 0 {
		return ""
	}
	if wait := t.policy.backoff(len(tries)); t.now.Sub(tries[len(tries)-1]) < wait {
		return fmt.Sprintf("waiting for %s after attempt %d", wait, len(tries))
	}
	return ""
}

// quarantine refuses what has been attempted too often, but for one exception now and then: what people mend is noticed in the end.
func (t *trial) quarantine(r *repair) string {
	if r == nil {
		return ""
	}
	since, given := t.record.Quarantine[r.what]
	if !given && len(t.tries(r.what)) < t.policy.Attempts || given && t.now.Sub(since) >= t.policy.QuarantineFor {
		return ""
	}
	return fmt.Sprintf("given up after %d attempts within %s; tried again every %s, or at once when forgiven",
		t.policy.Attempts, t.policy.AttemptsIn, t.policy.QuarantineFor)
}

func (t *trial) busy(*repair) string {
	if t.read != nil && t.read.Observation.Busy != "" {
		return t.read.Observation.Busy
	}
	return ""
}
