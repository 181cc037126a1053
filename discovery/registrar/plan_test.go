package registrar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
)

// TestPlan: what is done about one service, s, for each way in which it can stand.
func TestPlan(t *testing.T) {
	own := identity{owner: "o", node: "n"}
	c := Config{}.withDefaults()
	type world struct {
		wanted  *discovery.Instance
		has     *discovery.Instance // as registered by us
		maint   string              // its maintenance
		check   string              // a check it has besides
		foreign bool
		change  func(*situation)
	}
	plain, tagged := instance("shop", "s", 1), instance("shop", "s", 1, withTags("new"))
	stopping, bad := instance("shop", "s", 1, withHealth(discovery.Maintenance, "x")), instance("shop", "s", 1, withMeta("check_ttl", "x"))
	earlier := func(s *situation) { s.earlier = map[string]bool{"s": true} }
	over := func(s *situation) { earlier(s); s.ghosts = true }
	removed := func(s *situation) { s.removed = map[string]string{"s": "shop"} }
	drained := func(s *situation) { s.drained = map[string]string{"s": "order"} }
	released := func(s *situation) { s.released = map[string]bool{"s": true} }
	for _, test := range []struct {
		name string
		w    world
		want string
	}{
		{"missing", world{wanted: &plain}, "register replace"},
		{"as it ought to be", world{wanted: &plain, has: &plain}, "agreeing"},
		{"different", world{wanted: &tagged, has: &plain}, "register"},
		{"with a check too many", world{wanted: &plain, has: &plain, check: "x"}, "register replace"},
		{"with a check too many, in maintenance", world{wanted: &plain, has: &plain, check: "x", maint: "an operator's"}, "register stale x"},
		{"refused and missing", world{wanted: &bad}, "refused"},
		{"refused, and there", world{wanted: &bad, has: &plain}, "refused"},
		{"somebody else's", world{wanted: &plain, has: &plain, foreign: true}, "refused"},
		{"somebody else's, drained", world{wanted: &stopping, has: &plain, foreign: true, change: drained}, "refused"},

		{"stopping", world{wanted: &stopping, has: &plain}, "maintain fairlead: x"},
		{"stopping, and refused", world{wanted: &bad, has: &plain, change: drained}, "maintain fairlead drain: order refused"},
		{"stopping already", world{wanted: &stopping, has: &stopping, maint: stopMark + "x"}, "agreeing"},
		{"stopping in an operator's maintenance", world{wanted: &stopping, has: &plain, maint: "his"}, "agreeing"},
		{"stopping, and not there", world{wanted: &stopping}, ""},
		{"survived", world{wanted: &plain, has: &plain, maint: stopMark + "x"}, "resume"},
		{"in an operator's maintenance", world{wanted: &plain, has: &plain, maint: "his"}, "agreeing"},
		{"ordered to drain", world{wanted: &plain, has: &plain, change: drained}, "maintain fairlead drain: order"},
		{"drained by an earlier life", world{wanted: &plain, has: &plain, maint: drainMark + "y"}, "agreeing"},
		{"released", world{wanted: &plain, has: &plain, maint: drainMark + "y", change: released}, "resume"},
		{"released while it stops", world{wanted: &stopping, has: &plain, maint: drainMark + "y", change: released}, "agreeing"},

		{"gone", world{has: &plain, change: removed}, "deregister"},
		{"gone, somebody else's by now", world{has: &plain, foreign: true, change: removed}, ""},
		{"a ghost on probation", world{has: &plain, change: earlier}, "ghost"},
		{"a ghost", world{has: &plain, change: over}, "deregister"},
		{"somebody else's, unknown", world{has: &plain, foreign: true, change: over}, ""},
		{"strange", world{has: &plain}, "strange"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &situation{identity: own, wanted: map[string]*service{}, has: &holdings{services: map[string]*api.AgentService{}, checks: map[string]map[string]*api.AgentCheck{}}}
			if test.w.wanted != nil {
				s.wanted["s"] = c.build(own, test.w.wanted)
			}
			if test.w.has != nil {
				s.has.services["s"], s.has.checks["s"] = registered(c.build(own, test.w.has), test.w.maint, test.w.check)
			}
			if test.w.foreign {
				s.has.services["s"].Meta[discovery.MetaOwner] = "somebody"
			}
			if test.w.change != nil {
				test.w.change(s)
			}
			if got := told(s.plan()); got != test.want {
				t.Errorf("plan is %q, want %q", got, test.want)
			}
		})
	}
}

// registered is how the agent shows a service.
func registered(s *service, maintenance, check string) (*api.AgentService, map[string]*api.AgentCheck) {
	w, checks := s.want, map[string]*api.AgentCheck{}
	for _, c := range w.Checks {
		checks[c.CheckID] = &api.AgentCheck{CheckID: c.CheckID, Notes: c.Notes, Status: c.Status}
	}
	if maintenance != "" {
		checks[maintenanceCheck(w.ID)] = &api.AgentCheck{Notes: maintenance}
	}
	if check != "" {
		checks[check] = &api.AgentCheck{}
	}
	return &api.AgentService{ID: w.ID, Service: w.Name, Address: w.Address, Port: w.Port, Tags: w.Tags, Meta: w.Meta, Weights: *w.Weights}, checks
}

// told writes a plan about a single service.
func told(p *plan) string {
	var words []string
	for _, a := range p.actions {
		if a.maintain != "" {
			words = append(words, "maintain "+a.maintain)
		}
		for word, is := range map[string]bool{"deregister": a.deregister, "resume": a.resume} {
			if is {
				words = append(words, word)
			}
		}
		if a.register != nil {
			words = append(words, "register")
		}
		if a.replace {
			words = append(words, "replace")
		}
		if len(a.stale) > 0 {
			words = append(words, "stale "+strings.Join(a.stale, " "))
		}
	}
	for word, count := range map[string]int{"ghost": len(p.ghosts), "strange": len(p.strange), "agreeing": p.agreeing, "refused": len(p.refused)} {
		if count > 0 {
			words = append(words, word)
		}
		if count > 1 {
			words = append(words, fmt.Sprint(count))
		}
	}
	return strings.Join(words, " ")
}
