package proxy

import (
	"cmp"
	"slices"

	"github.com/fairlead/fairlead/proxy/pool"
)

// changes are what an operator wants to hear of between two snapshots, and what the edge remembers of it.
type changes struct {
	ready   []*pool.Cluster // clusters that have facts now
	came    []domainChange
	went    []domainChange
	members []memberChange
	left    []*pool.Pool // pools that have nobody active any more
	refused []refusalChange
	noted   []*pool.Pool // pools with new problems
}

// domainChange is a domain by its full name.
type domainChange struct {
	name    string
	cluster *pool.Cluster
	pool    *pool.Pool
}

// memberChange is a member whose state differs, or its reason while it is not active; was is nil for one that came, now for one
// that went.
type memberChange struct {
	cluster  string
	service  string
	was, now *pool.Member
}

type refusalChange struct {
	cluster string
	pool.Refusal
}

// diff compares two snapshots. Clusters and pools that kept their pointers are the same, so that it costs little when little changed.
func diff(prev, next *pool.Snapshot) changes {
	var d changes
	old := map[string]*pool.Cluster{}
	for _, c := range prev.Clusters {
		old[c.Name] = c
	}
	for _, c := range next.Clusters {
		was := old[c.Name]
		delete(old, c.Name)
		if was != c {
			d.cluster(cmp.Or(was, &pool.Cluster{Name: c.Name, Prefix: c.Prefix}), c)
		}
	}
	for _, was := range old {
		d.cluster(was, &pool.Cluster{Name: was.Name, Prefix: was.Prefix})
	}
	d.sort()
	return d
}

// cluster compares a cluster with what it was.
func (d *changes) cluster(was, now *pool.Cluster) {
	if now.Ready && !was.Ready {
		d.ready = append(d.ready, now)
	}
	d.domains(was, now, was.Exact, now.Exact, fullName)
	d.domains(was, now, was.Wildcard, now.Wildcard, wildcardName)
	each(was.Services, now.Services, func(_ string, a, b *pool.Pool) { d.pool(now.Name, a, b) })
	for _, r := range now.Refused {
		if !slices.Contains(was.Refused, r) {
			d.refused = append(d.refused, refusalChange{now.Name, r})
		}
	}
}

// domains compares the names of one kind.
func (d *changes) domains(was, now *pool.Cluster, a, b map[string]*pool.Pool, full func(*pool.Cluster, string) string) {
	each(a, b, func(name string, before, after *pool.Pool) {
		switch {
		case before == nil:
			d.came = append(d.came, domainChange{full(now, name), now, after})
		case after == nil:
			d.went = append(d.went, domainChange{full(was, name), was, before})
		}
	})
}

// pool compares the pool of a service, either of them nil for none.
func (d *changes) pool(cluster string, was, now *pool.Pool) {
	before, joined, problems := map[string]*pool.Member{}, -1, []string(nil)
	if was != nil {
		for _, m := range was.Members {
			before[m.ID()] = m
		}
		joined, problems = was.Joined, was.Problems
	}
	if now != nil {
		for _, m := range now.Members {
			if old := before[m.ID()]; old == nil || differs(old, m) {
				d.members = append(d.members, memberChange{cluster, now.Service, old, m})
			}
			delete(before, m.ID())
		}
		if joined >= 0 && now.Joined < 0 {
			d.left = append(d.left, now)
		}
		if len(now.Problems) > 0 && !slices.Equal(problems, now.Problems) {
			d.noted = append(d.noted, now)
		}
	}
	for _, m := range before {
		d.members = append(d.members, memberChange{cluster, was.Service, m, nil})
	}
}

// differs tells whether a member's change is worth a line: the reason of an active one moves on with every step of a slow start.
func differs(was, now *pool.Member) bool {
	return was.State != now.State || was.Addr != now.Addr || now.State != pool.Active && was.Reason != now.Reason
}

// each calls f for every name under which two maps hold different pools, with nil for the one that has none.
func each(was, now map[string]*pool.Pool, f func(name string, was, now *pool.Pool)) {
	stayed := 0
	for name, p := range now {
		before := was[name]
		if before != nil {
			stayed++
		}
		if before != p {
			f(name, before, p)
		}
	}
	if stayed == len(was) {
		return
	}
	for name, p := range was {
		if now[name] == nil {
			f(name, p, nil)
		}
	}
}

// sort makes the order the same every time.
func (d *changes) sort() {
	byName := func(a, b domainChange) int { return cmp.Compare(a.name, b.name) }
	slices.SortFunc(d.came, byName)
	slices.SortFunc(d.went, byName)
	slices.SortFunc(d.members, func(a, b memberChange) int { return cmp.Compare(a.id(), b.id()) })
	byPool := func(a, b *pool.Pool) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name))
	}
	slices.SortFunc(d.left, byPool)
	slices.SortFunc(d.noted, byPool)
}

// member returns the newer of the two.
func (m *memberChange) member() *pool.Member { return cmp.Or(m.now, m.was) }

func (m *memberChange) id() string { return m.member().ID() }
