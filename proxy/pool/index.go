package pool

import (
	"cmp"
	"maps"
	"slices"
)

// names returns the cluster's map of one kind of names.
func (c *Cluster) names(k kind) map[string]*Pool {
	switch k {
	case domainName:
		return c.Exact
	case wildcardName:
		return c.Wildcard
	default:
		return c.Services
	}
}

// index makes the three maps of names, and reports whether any differs. One that does not is the old map itself.
func (c *clusterBuild) index(built map[string]*entry) (names [3]map[string]*Pool, differ bool) {
	var gone, put [3]map[string]*Pool
	for k := range names {
		gone[k], put[k] = map[string]*Pool{}, map[string]*Pool{}
	}
	for _, name := range c.removed {
		c.memo.entries[name].into(&gone)
	}
	for name, e := range built {
		if old := c.memo.entries[name]; old != nil {
			old.into(&gone)
		}
		e.into(&put)
	}
	for k := range names {
		old := c.old.names(kind(k))
		names[k] = old
		if old != nil && within(gone[k], put[k]) && within(put[k], old) {
			continue
		}
		names[k], differ = map[string]*Pool{}, true
		if !c.fresh && old != nil {
			names[k] = maps.Clone(old)
			for name := range gone[k] {
				delete(names[k], name)
			}
		}
		maps.Copy(names[k], put[k])
	}
	return names, differ
}

// into adds the names a service holds to the maps of their kind.
func (e *entry) into(names *[3]map[string]*Pool) {
	for _, h := range e.pools {
		names[h.kind][h.name] = h.pool
	}
}

// within reports whether every name of part leads to the same pool in whole.
func within(part, whole map[string]*Pool) bool {
	for name, p := range part {
		if whole[name] != p {
			return false
		}
	}
	return true
}

// refusalsDiffer reports whether the refusals of any service built or removed are other than they were.
func (c *clusterBuild) refusalsDiffer(built map[string]*entry) bool {
	for _, name := range c.removed {
		if e := c.memo.entries[name]; len(e.lost)+len(e.wishes.refused) > 0 {
			return true
		}
	}
	for name, e := range built {
		old := c.memo.entries[name]
		if old == nil {
			old = new(entry)
		}
		if !slices.Equal(old.lost, e.lost) || !slices.Equal(old.wishes.refused, e.wishes.refused) {
			return true
		}
	}
	return false
}

// refusals returns those of all services, by domain and service.
func (m *memo) refusals() []Refusal {
	var all []Refusal
	for _, e := range m.entries {
		all = append(append(all, e.wishes.refused...), e.lost...)
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}
