package registrar

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
)

// What the reason of a maintenance begins with if it is ours. One of an operator begins otherwise and is left to him.
const (
	stopMark  = "fairlead: "       // because the source says so, and for as long
	drainMark = "fairlead drain: " // ordered by Drain, and until Undrain, over a restart of ours too
)

// action is what one service in the agent needs, in the order of the fields.
type action struct {
	id, name string
	why      string
	want     *api.AgentServiceRegistration // what register is to bring about
	changes  bool                          // it is there, and otherwise

	deregister bool
	maintain   string                        // the reason, if it must be set
	register   *api.AgentServiceRegistration // as it must be
	replace    bool                          // its other checks go with it
	stale      []string                      // checks to be removed one by one
	resume     bool
}

func (a *action) idle() bool {
	return !a.deregister && a.maintain == "" && a.register == nil && len(a.stale) == 0 && !a.resume
}

// situation is everything a plan is made of.
type situation struct {
	identity identity
	wanted   map[string]*service // by ID
	removed  map[string]string   // names of what left the source in this life, by ID
	has      *holdings
	drained  map[string]string // reasons, by ID
	released map[string]bool   // drains that are over, by ID
	// earlier are the IDs that were ours in the agent when this life began. Ghosts among them may go once the probation is over and
	// the source is complete.
	earlier map[string]bool
	ghosts  bool
}

// plan is what to do, and what stands in the way of it.
type plan struct {
	actions  []*action
	refused  map[string]error // by ID
	ghosts   []string         // ours, unknown to the source, kept at present
	strange  []string         // ours by their Meta, by the hand of another registrar
	agreeing int              // services that are in the agent as they ought to be
}

// plan compares. It does no I/O and reads no clock.
func (s *situation) plan() *plan {
	p := &plan{refused: map[string]error{}}
	for _, id := range slices.Sorted(maps.Keys(s.wanted)) {
		s.planWanted(p, s.wanted[id], id)
	}
	for _, id := range slices.Sorted(maps.Keys(s.has.services)) {
		if is := s.has.services[id]; s.wanted[id] == nil && s.identity.owns(is) {
			s.planUnwanted(p, is)
		}
	}
	// Who leaves goes first: it must take no more traffic.
	slices.SortStableFunc(p.actions, func(a, b *action) int { return cmp.Compare(a.rank(), b.rank()) })
	return p
}

func (a *action) rank() int {
	switch {
	case a.maintain != "":
		return 0
	case a.deregister:
		return 1
	}
	return 2
}

func (s *situation) planWanted(p *plan, w *service, id string) {
	is := s.has.services[id]
	if is != nil && !s.identity.owns(is) {
		p.refused[id] = fmt.Errorf("service ID %q is somebody else's in the agent (service %q, owner %q, node %q): it is left as it is", id, is.Service,
			is.Meta[discovery.MetaOwner], is.Meta[discovery.MetaNodeID])
		return
	}
	reason := w.stopping
	if drain := s.drained[id]; drain != "" {
		reason = drainMark + drain
	}
	present, on := s.has.maintenance(id)
	a := &action{id: id, name: w.instance.Service}
	if is != nil && reason != "" && !on {
		a.maintain, a.why = reason, "to be drained"
	}
	if is != nil && reason == "" && (strings.HasPrefix(present, stopMark) || strings.HasPrefix(present, drainMark) && s.released[id]) {
		a.resume, a.why = true, "its drain is over"
	}
	switch {
	case w.refused != nil:
		p.refused[id] = w.refused
	case is == nil && reason != "":
		// It would be served for a moment before its maintenance is set.
	case is == nil:
		a.register, a.want, a.replace, a.why = w.want, w.want, true, "missing in the agent"
	default:
		s.planUpdate(a, w, is, on || reason != "")
	}
	switch {
	case !a.idle():
		p.actions = append(p.actions, a)
	case w.refused == nil && is != nil:
		p.agreeing++
	}
}

// planUpdate registers again what differs. Replacing the checks of a service ends its maintenance, so that is done only where there are
// stale ones, and a service in maintenance loses them one by one.
func (s *situation) planUpdate(a *action, w *service, is *api.AgentService, maintained bool) {
	if mark := is.Meta[metaToken]; s.identity.token == "" && mark != "" {
		w.want.Meta[metaToken] = mark // we do not know better
	}
	what := w.differs(is, s.has.checks[a.id])
	if what == "" {
		return
	}
	a.register, a.want, a.changes = w.keeping(s.has.checks[a.id]), w.want, true
	a.why = "different in " + what
	stale := w.stale(s.has.checks[a.id])
	if maintained {
		a.stale = stale
	} else {
		a.replace = len(stale) > 0
	}
}

func (s *situation) planUnwanted(p *plan, is *api.AgentService) {
	_, removed := s.removed[is.ID]
	switch {
	case removed:
		p.actions = append(p.actions, &action{id: is.ID, name: is.Service, deregister: true, why: "gone from its source"})
	case !s.earlier[is.ID]:
		p.strange = append(p.strange, is.ID)
	case s.ghosts:
		p.actions = append(p.actions, &action{id: is.ID, name: is.Service, deregister: true, why: "unknown to its source since the start"})
	default:
		p.ghosts = append(p.ghosts, is.ID)
	}
}
