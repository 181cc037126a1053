package healer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// swarm finds what could be done for a service that Swarm schedules. Its number of replicas is raised to what is wanted, never
// beyond and never lowered; with enough replicas a deficit is Swarm's to mend, but for copies it takes for well although they are not.
func (t *trial) swarm() {
	o := &t.read.Observation
	if t.sight.Present >= t.service.Count {
		return
	}
	switch {
	case o.Replicas < 0:
		t.advice = "Swarm keeps no number of replicas of it; want a replicated service"
		return
	case o.Replicas < t.service.Count:
		hold := t.policy.DeficitFor
		if len(t.sight.Lost) > 0 {
			hold = max(t.policy.LostAfter, t.selfStop())
		}
		t.add(repair{what: "scale", hold: hold, action: Action{Kind: Scale, To: t.service.Count,
			Reason: fmt.Sprintf("%d of %d present, and Swarm keeps %d up", t.sight.Present, t.service.Count, o.Replicas)}},
			"replicas")
		return
	}
	t.sick()
	t.advice = fmt.Sprintf("Swarm keeps %d up: it is Swarm's to mend", o.Replicas)
}

// plain finds what could be done for a service on a plain engine: start what is missing in a slot, as the generation that follows the
// newest one there, and stop what another has taken the place of.
func (t *trial) plain() {
	slots := map[int][]*Copy{}
	for i := range t.read.Observation.Copies {
		c := &t.read.Observation.Copies[i]
		slots[c.Slot] = append(slots[c.Slot], c)
	}
	for _, copies := range slots {
		slices.SortStableFunc(copies, func(a, b *Copy) int { return cmp.Compare(b.Generation, a.Generation) })
	}
	if t.sight.Present < t.service.Count {
		for slot := 1; slot <= t.service.Count; slot++ {
			if slices.ContainsFunc(slots[slot], func(c *Copy) bool { return c.Running }) {
				continue
			}
			generation := 1
			if len(slots[slot]) > 0 {
				generation = slots[slot][0].Generation + 1
			}
			t.add(repair{what: fmt.Sprintf("start %d", slot), hold: t.policy.DeficitFor, action: Action{
				Kind: Start, Slot: slot, Generation: generation, Node: t.service.Run.Host,
				Reason: fmt.Sprintf("%d of %d present, and nothing runs in slot %d", t.sight.Present, t.service.Count, slot)}},
				fmt.Sprintf("slot %d", slot))
		}
		t.sick()
		t.advice = "every slot has a running copy, but not all are present in the catalog"
		return
	}
	for _, slot := range slices.Sorted(maps.Keys(slots)) {
		if slot > 0 { // 0 is none of ours
			t.superseded(slots[slot])
		}
	}
}

// sick finds the copies of ours that the engine takes for well, and their checks do not. A copy on a lost node is left alone: nobody
// knows how it is.
func (t *trial) sick() {
	for i := range t.read.Observation.Copies {
		c := &t.read.Observation.Copies[i]
		registered := t.sight.registered(c)
		if !c.Running || c.Slot < 1 || len(registered) == 0 || t.young(c) {
			continue
		}
		critical := func(i *discovery.Instance) bool {
			return i.Health == discovery.Critical && t.in.View.Nodes[i.Node]
		}
		if slices.ContainsFunc(registered, func(i *discovery.Instance) bool { return !critical(i) }) {
			continue
		}
		t.add(repair{what: "stop", hold: t.policy.DeficitFor, action: Action{Kind: Stop, Copy: c.ID, Node: cmp.Or(c.Node, registered[0].Node),
			Slot: c.Slot, Generation: c.Generation,
			Reason: fmt.Sprintf("it runs, but is critical: %s", registered[0].HealthNote)}, node: registered[0].Node},
			"sick "+c.ID)
	}
}

// young reports whether a copy was started so lately that it may not be well yet.
func (t *trial) young(c *Copy) bool {
	age := t.read.At.Sub(c.Since)
	return !c.Since.IsZero() && age >= 0 && age < t.policy.Verify
}

// superseded finds the running copies of a slot, newest first, whose place a newer one has taken that is well. Copies that are none of
// ours, and a slot's only one, are never among them.
func (t *trial) superseded(copies []*Copy) {
	newest := slices.IndexFunc(copies, func(c *Copy) bool { return c.Running })
	if newest < 0 || t.sight.Present < t.service.Count {
		return
	}
	present := func(c *Copy) (is, known bool) {
		registered := t.sight.registered(c)
		return slices.ContainsFunc(registered, (*discovery.Instance).Present), len(registered) > 0
	}
	if well, known := present(copies[newest]); known && !well {
		return
	}
	for _, c := range copies[newest+1:] {
		if !c.Running || c.Generation >= copies[newest].Generation {
			continue
		}
		well, known := present(c)
		if t.sight.Present <= t.service.Count && (well || !known) {
			continue
		}
		t.add(repair{what: "stop", superseded: true, hold: t.policy.DeficitFor, action: Action{Kind: Stop, Copy: c.ID, Node: cmp.Or(c.Node, t.service.Run.Host),
			Slot: c.Slot, Generation: c.Generation,
			Reason: fmt.Sprintf("generation %d of slot %d has taken its place, and %d of %d are present", copies[newest].Generation, c.Slot, t.sight.Present, t.service.Count)}},
			"superseded "+c.ID)
	}
}

// add notes a repair with the evidence for it.
func (t *trial) add(r repair, evidence string) {
	r.action.Service, r.action.Fence = t.service, t.read.Observation.Fence
	r.evidence = t.see(t.service.Domain+" "+evidence, t.read.At)
	t.repairs = append(t.repairs, r)
}

// age is for how long a repair has been wanted.
func (r *repair) age(now time.Time) time.Duration { return now.Sub(r.evidence.since) }
