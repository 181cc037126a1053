package pool

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// settle reads what the stale services wish for and decides who holds each name about which the claims changed. Whoever else
// claims such a name is looked at again too.
func (c *clusterBuild) settle() {
	for name, s := range c.stale {
		e := c.memo.entries[name]
		if e != nil && !c.fresh && e.same(s) {
			c.wishes[name] = e.wishes
			continue
		}
		w := c.policy.wishes(s)
		c.wishes[name] = w
		if e == nil {
			e = new(entry)
		}
		if c.fresh || !slices.Equal(e.wishes.claims, w.claims) {
			c.dispute(e.wishes.claims)
			c.dispute(w.claims)
		}
	}
	for _, name := range c.removed {
		c.dispute(c.memo.entries[name].wishes.claims)
	}
	c.summon()
	for name, w := range c.wishes {
		for _, wish := range w.claims {
			holder, disputed := c.disputed[wish.key]
			if disputed && (holder == "" || beats(name, wish, holder, c.claimOf(holder, wish.key))) {
				c.disputed[wish.key] = name
			}
		}
	}
}

func (c *clusterBuild) dispute(claims []claim) {
	for _, claim := range claims {
		c.disputed[claim.key] = ""
	}
}

// summon makes stale whoever claimed a disputed name before. Those are the ones that held it and, since every claim is either
// granted or refused, the ones that were refused it: no search through all services.
func (c *clusterBuild) summon() {
	domains := map[string]struct{}{}
	for k := range c.disputed {
		domains[k.domain()] = struct{}{}
		if p := c.old.names(k.kind)[k.name]; p != nil {
			c.recheck(p.Service)
		}
	}
	for _, r := range c.old.Refused {
		if _, ok := domains[r.Domain]; ok {
			c.recheck(r.Service)
		}
	}
}

// recheck makes a service stale that is itself as it was.
func (c *clusterBuild) recheck(name string) {
	s := c.facts.Services[name]
	if s != nil && c.stale[name] == nil {
		c.stale[name], c.wishes[name] = s, c.memo.entries[name].wishes
	}
}

// holder returns the service that holds a name now.
func (c *clusterBuild) holder(k key) string {
	if holder, ok := c.disputed[k]; ok {
		return holder
	}
	if p := c.old.names(k.kind)[k.name]; p != nil {
		return p.Service
	}
	return ""
}

// claimOf returns a service's claim to a name.
func (c *clusterBuild) claimOf(service string, k key) claim {
	w, ok := c.wishes[service]
	if !ok {
		w = c.memo.entries[service].wishes
	}
	i := slices.IndexFunc(w.claims, func(c claim) bool { return c.key == k })
	return w.claims[i]
}

// entry builds the pools of a service: one for each domain it holds, or one under its own name.
func (c *clusterBuild) entry(name string, s *discovery.Service) *entry {
	e := &entry{service: s, wishes: c.wishes[name], held: slices.ContainsFunc(s.Instances, isHeld)}
	named := false
	for _, wish := range e.wishes.claims {
		holder := c.holder(wish.key)
		switch {
		case holder != name:
			e.lose(lost(name, wish, holder, c.claimOf(holder, wish.key)))
		case wish.kind == serviceName:
			named = true
		default:
			e.pools = append(e.pools, holding{wish.key, c.pool(wish.domain(), s, e.wishes)})
		}
	}
	if named {
		own := holding{key: key{serviceName, lower(name)}}
		if len(e.pools) > 0 {
			own.pool = e.pools[0].pool
		} else {
			own.pool = c.pool(name, s, e.wishes)
		}
		e.pools = append(e.pools, own)
	}
	for _, h := range e.pools {
		e.due = earliest(e.due, h.pool.due)
	}
	return e
}

// lose notes a lost name, once for a service's name that is a domain as well.
func (e *entry) lose(r Refusal) {
	if !slices.ContainsFunc(e.lost, func(other Refusal) bool { return other.Domain == r.Domain }) {
		e.lost = append(e.lost, r)
	}
}

// pool builds a pool beside what the same service had under that name before.
func (c *clusterBuild) pool(name string, s *discovery.Service, w wishes) *Pool {
	var old *Pool
	if e := c.memo.entries[s.Name]; e != nil {
		for _, h := range e.pools {
			if h.pool.Name == name {
				old = h.pool
			}
		}
	}
	return c.build(name, s, w, old)
}

func (e *entry) dueAt(now time.Time) bool { return !e.due.IsZero() && !now.Before(e.due) }
