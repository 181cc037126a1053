package healer

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/discovery"
)

// DrainState is how far a drain has come.
type DrainState string

// The states of a drain.
const (
	DrainOrdered  DrainState = "ordered"  // new copies may still be placed on the host
	DrainEmptying DrainState = "emptying" // its copies are being moved
	DrainBlocked  DrainState = "blocked"  // a copy cannot be moved without going below what must stay available, or was given up
	DrainEmpty    DrainState = "empty"    // none of the copies that are wanted runs on it
	DrainEnding   DrainState = "ending"   // it was taken back
)

// DrainStatus is what is shown of a drain.
type DrainStatus struct {
	Drain
	State DrainState `json:"state"`
	// Copies is how many still run on the host.
	Copies int `json:"copies"`
	// Waits says what is waited for.
	Waits string `json:"waits_for,omitempty"`
	// Others are the Swarm services that run something on the host beside what is wanted here. They are left alone.
	Others []string `json:"others,omitempty"`
}

// emptying is the draining of one host in one round.
type emptying struct {
	Drain
	copies  int    // that still run there
	unknown string // why it cannot be told how many
	waits   string // what the first of them waits for
	blocked bool   // that will not come by itself
}

// over reports whether the host holds up nobody.
func (d *emptying) over() bool { return d.Ending || d.broken == "" && d.copies == 0 && d.unknown == "" }

// status is what is shown.
func (d *emptying) status() DrainStatus {
	s := DrainStatus{Drain: d.Drain, Copies: d.copies, Waits: cmp.Or(d.broken, d.unknown, d.waits)}
	switch {
	case d.Ending:
		s.State, s.Waits = DrainEnding, ""
	case d.Held.IsZero():
		s.State = DrainOrdered
	case d.over():
		s.State = DrainEmpty
	case d.broken != "" || d.unknown == "" && d.blocked:
		s.State = DrainBlocked
	default:
		s.State = DrainEmptying
	}
	return s
}

// emptyings begins the drains of a round.
func (p *planner) emptyings() {
	if p.in.Book == nil {
		return
	}
	for _, d := range byAge(p.in.Book.Drains) {
		p.drains = append(p.drains, &emptying{Drain: d})
	}
}

// empty finds the copies on hosts that are drained. One that the catalog does not show may be among those that are present.
func (t *trial) empty() {
	for i := range t.read.Observation.Copies {
		c := &t.read.Observation.Copies[i]
		if !c.Running || c.Slot < 1 {
			continue
		}
		registered, node := t.sight.registered(c), ""
		if len(registered) > 0 {
			node = registered[0].Node
		}
		for _, d := range t.drains {
			if !d.is(c.Node) && !d.is(node) || d.Ending || d.broken != "" {
				continue
			}
			d.copies++
			t.add(repair{
				what: "empty " + short(c.ID), drain: d, node: node,
				counts: len(registered) == 0 || slices.ContainsFunc(registered, (*discovery.Instance).Present),
				action: Action{Kind: Stop, Copy: c.ID, Node: cmp.Or(c.Node, node), Slot: c.Slot, Generation: c.Generation, Reason: d.String()},
			}, "drained "+c.ID)
		}
	}
}

// unsure notes that nobody can tell whether the service has copies on a drained host.
func (t *trial) unsure(why string) {
	for _, d := range t.drains {
		d.unknown = cmp.Or(d.unknown, t.service.Domain+": "+why)
	}
}

// drained refuses what a drain must not do: move a second copy before the first is replaced, or go below what must stay.
func (t *trial) drained(r *repair) string {
	if r == nil || r.drain == nil {
		return ""
	}
	if r.drain.Held.IsZero() {
		return "new copies may still be placed on " + r.drain.Host
	}
	for _, other := range t.drains {
		if other == r.drain {
			break
		}
		if !other.over() {
			return fmt.Sprintf("one host at a time: %s comes first", other.Host)
		}
	}
	for domain, f := range t.emptied() {
		return fmt.Sprintf("one copy at a time: %s of %s", f, domain)
	}
	if why := t.needed(r); why != "" {
		return why
	}
	if r.counts && t.sight.Present < t.service.Count && !r.drain.Forced {
		return fmt.Sprintf("%d of %d present: the others come first", t.sight.Present, t.service.Count)
	}
	return ""
}

// needed says why a copy on a drained host must stay unless the drain is forced.
func (t *trial) needed(r *repair) string {
	least, left := t.service.Least(), t.sight.Present
	if r.counts {
		left--
	}
	switch {
	case r.drain.Forced:
		return ""
	case t.service.Run.Swarm == "":
		return "it belongs to this host alone, and nothing would take its place; only a forced drain stops it"
	case left < least:
		return fmt.Sprintf("%d present, and at least %d must stay; only a forced drain goes below", t.sight.Present, least)
	}
	return ""
}

// emptied are the copies being moved away from hosts at the moment, by domain.
func (p *planner) emptied() map[string]*Flight {
	found := map[string]*Flight{}
	known := map[string]bool{}
	for _, t := range p.trials {
		known[t.service.Domain] = true
		if f := t.record.Flight; f != nil && f.Emptied != "" {
			found[t.service.Domain] = f
		}
	}
	for domain, r := range p.records() {
		if !known[domain] && r.Flight != nil && r.Flight.Emptied != "" {
			found[domain] = r.Flight
		}
	}
	return found
}

// waiting notes what a copy on a drained host waits for.
func (t *trial) waiting(r *repair, gate Gate, refusal string) {
	if d := r.drain; d != nil && d.waits == "" {
		d.waits = t.service.Domain + ": " + refusal
		d.blocked = gate == GateQuarantine || gate == GateDrain && len(t.emptied()) == 0 && t.needed(r) != ""
	}
}

// heldBack says which drain a repair must leave a host alone for.
func (t *trial) heldBack(r *repair) string {
	if r != nil && r.drain != nil {
		return ""
	}
	for _, d := range t.drains {
		if !d.Ending && t.touches(r, d.Host) {
			return d.String()
		}
	}
	return ""
}
