package pool

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// poolBuild makes one pool.
type poolBuild struct {
	*clusterBuild
	pool *Pool
	old  *Pool // as it was in the previous snapshot, or nil
	// ejected are the members that only a passive ejection keeps from being up.
	ejected map[*Member]Verdict
}

// build makes the pool called name of a service, or returns old if nothing differs.
func (c *clusterBuild) build(name string, s *discovery.Service, w wishes, old *Pool) *Pool {
	spec, problems := c.policy.spec(s.Name, w.settings, name)
	if old != nil && reflect.DeepEqual(old.Spec, spec) {
		spec = old.Spec
	}
	b := poolBuild{clusterBuild: c, old: old, ejected: map[*Member]Verdict{}, pool: &Pool{
		Name: name, Cluster: c.policy.config.Name, Service: s.Name, Spec: spec,
		Problems: slices.Concat(problems, w.notes), Meter: c.in.Meters.Pool(c.policy.config.Name, name),
	}}
	for i := range s.Instances {
		b.add(&s.Instances[i])
	}
	p := b.pool
	slices.SortStableFunc(p.Members, func(x, y *Member) int { return cmp.Compare(x.ID(), y.ID()) })
	p.Groups = groupsOf(p.Members)
	well := slices.ContainsFunc(p.Members, func(m *Member) bool { return m.State == Active })
	for _, g := range p.Groups {
		b.eject(g, well)
		g.Up = len(g.up())
	}
	b.slowStart()
	p.Lineups = lineups(p.Groups)
	p.Joined, p.Why = join(p.Groups, spec.MinActive)
	if old != nil && reflect.DeepEqual(old, p) {
		return old
	}
	return p
}

// add makes the member of an instance.
func (b *poolBuild) add(i *discovery.Instance) {
	m := &Member{
		Instance: i, Addr: i.HostPort(), Limit: int64(b.pool.Spec.MemberMaxConns),
		Meter: b.in.Meters.Member(i.ID), Hash: IDHash(i.ID),
	}
	order, ordered := b.override(i)
	m.Weight = weight(i)
	if ordered && order.Action == Weight {
		m.Weight = clamp(order.Weight)
	}
	var problem string
	if m.Priority, problem = b.policy.priority(i, b.pool.Spec); problem != "" {
		b.problem(problem)
	}
	m.State, m.Reason = b.state(m, order)
	if order.Action == Weight && m.State == Active && m.Reason == "" {
		m.Reason = orderReason(fmt.Sprintf("weight %d", m.Weight), order)
	}
	b.pool.Members = append(b.pool.Members, m)
}

// mostWeight is the highest weight of a member, as in Consul and in SRV records.
const mostWeight = 65535

func clamp(weight int) int { return min(max(weight, 1), mostWeight) }

// weight returns an instance's registered share for the health it has.
func weight(i *discovery.Instance) int {
	if i.Health == discovery.Warning {
		return clamp(i.Weights.Warning)
	}
	return clamp(i.Weights.Passing)
}

// state decides what a member may be used for, and why. What would be dangerous to dial comes first, then the operator who takes
// a member out, then what is known of its health; a drain is for members that are well.
func (b *poolBuild) state(m *Member, order Override) (State, string) {
	i := m.Instance
	if reason := b.policy.guard.refuse(i); reason != "" {
		return Down, reason
	}
	if order.Action == Disable {
		return Disabled, orderReason("disabled", order)
	}
	if claimer := b.claimed[i.ID]; claimer != "" {
		return Down, fmt.Sprintf("kept from earlier (%s), and %s is registered at its address now", i.Held, claimer)
	}
	switch i.Health {
	case discovery.Passing, discovery.Warning:
	case discovery.Maintenance:
		return Disabled, noted("in maintenance at its source", i.HealthNote)
	default:
		return Down, noted(i.Health.String()+" at its source", i.HealthNote)
	}
	if i.Health == discovery.Warning && !b.pool.Spec.ServeWarning {
		return Down, noted("warning at its source, which this pool does not serve", i.HealthNote)
	}
	verdict := b.verdict(m)
	if verdict.Down && !verdict.Ejected {
		return Down, noted("failed the checks", verdict.Reason)
	}
	if order.Action == Drain {
		return Draining, orderReason("draining", order)
	}
	if verdict.Down {
		b.ejected[m] = verdict
		return Down, noted("ejected after failures", verdict.Reason)
	}
	if i.Held != "" {
		return Active, noted("kept in doubt", i.Held)
	}
	if i.Health == discovery.Warning {
		return Active, noted("warning at its source", i.HealthNote)
	}
	return Active, ""
}

// verdict returns what our checks say of a member; nothing, if that was about another address.
func (b *poolBuild) verdict(m *Member) Verdict {
	v := b.cluster.Verdicts[m.ID()]
	if v.Address != "" && v.Address != m.Addr {
		return Verdict{}
	}
	return v
}

func noted(reason, note string) string {
	if note == "" {
		return reason
	}
	return reason + ": " + note
}

func orderReason(what string, o Override) string {
	return noted(what+" by order of "+o.Author, o.Reason)
}

// eject lets the ejections of a group stand in the order of their age as long as they take no more than half of it, nor its last
// member that is up: when many fail at once, what they have in common is more likely at fault than each of them.
//
// A refused connection leaves no such doubt: nobody listens there, which F5's monitors would call down. So ejections for that stand
// however many they are, and lower groups join, as long as well says that the pool has members nobody complains of.
func (b *poolBuild) eject(g *Group, well bool) {
	var ejected []*Member
	refused := 0
	for _, m := range g.Members {
		switch v, ok := b.ejected[m]; {
		case ok && v.Refused && well:
			refused++
		case ok:
			ejected = append(ejected, m)
		}
	}
	slices.SortStableFunc(ejected, func(x, y *Member) int {
		return b.ejected[x].Since.Compare(b.ejected[y].Since)
	})
	most := max(0, min(len(g.Members)/2-refused, len(g.up())+len(ejected)-1))
	for _, m := range ejected[min(most, len(ejected)):] {
		m.State = Active
		m.Reason = noted("kept although it failed, since no more of its group may be ejected", b.ejected[m].Reason)
	}
}

// override returns the order that holds for an instance, and sees to it that the pool is built again when it expires.
func (b *poolBuild) override(i *discovery.Instance) (Override, bool) {
	o, ok := b.cluster.Overrides[i.ID]
	if !ok || !o.Expires.IsZero() && !o.Expires.After(b.in.Now) {
		return Override{}, false
	}
	if !o.Expires.IsZero() {
		b.due(o.Expires)
	}
	if o.Address != i.HostPort() {
		b.problem(fmt.Sprintf("the override of %s is void: it was ordered for %s, and the instance is at %s now", i.ID, o.Address, i.HostPort()))
		return Override{}, false
	}
	return o, true
}

func (b *poolBuild) problem(text string) { b.pool.Problems = append(b.pool.Problems, text) }

func (b *poolBuild) due(at time.Time) { b.pool.due = earliest(b.pool.due, at) }

// earliest returns the earlier of two times, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
