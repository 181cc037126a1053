package healer

import (
	"fmt"

	"github.com/fairlead/fairlead/discovery"
)

// brake is the fleet brake: where so much is wrong at once, a repair is more likely to make it worse, and a person must look. It
// counts nodes, and copies on living nodes only, so that one dead host of two is healed, while half of all copies critical on living
// hosts is more likely a fault of what checks them. In doubt it stays as it is.
func (p *planner) brake() {
	defer func() {
		if p.memory.freeze != nil {
			p.out.Frozen = p.memory.freeze.reason
		}
	}()
	if p.in.View.Doubt != "" {
		return
	}
	reason := p.tooMuch()
	old := p.memory.freeze
	switch {
	case reason != "":
		f := &freeze{since: p.now, reason: reason}
		if old != nil {
			f.since = old.since
		} else {
			p.note("", "frozen", reason)
		}
		p.memory.freeze = f
	case old == nil:
	case old.clear.IsZero():
		p.memory.freeze = &freeze{since: old.since, reason: old.reason, clear: p.now}
	case p.now.Sub(old.clear) >= p.policy.FleetClear:
		p.memory.freeze = nil
		p.note("", "thawed", "less is wrong since "+p.policy.FleetClear.String())
	}
}

// tooMuch says what is wrong with so much of the fleet, nothing if it is not so much.
func (p *planner) tooMuch() string {
	lost := 0
	for _, lives := range p.in.View.Nodes {
		if !lives {
			lost++
		}
	}
	if p.over(lost, len(p.in.View.Nodes)) {
		return fmt.Sprintf("%d of %d nodes are lost", lost, len(p.in.View.Nodes))
	}
	bad, all := 0, 0
	for _, s := range p.in.Services {
		for _, i := range p.in.View.Sights[s.Domain].Instances {
			if !p.in.View.Nodes[i.Node] || i.Health == discovery.Maintenance {
				continue
			}
			all++
			if !i.Present() {
				bad++
			}
		}
	}
	if p.over(bad, all) {
		return fmt.Sprintf("%d of %d copies on living nodes are critical", bad, all)
	}
	return ""
}

func (p *planner) over(bad, all int) bool {
	return bad >= p.policy.FleetMin && bad*100 >= all*p.policy.FleetPercent
}
