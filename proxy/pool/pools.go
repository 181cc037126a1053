package pool

import (
	"cmp"
	"maps"
	"slices"
)

// Pools returns every pool of the cluster once, sorted by name: those of its domains, of its wildcards, and of the services that
// serve no domain. It is made for pages and scrapes: each call collects and sorts anew, and the caller owns the slice.
func (c *Cluster) Pools() []*Pool {
	pools := slices.AppendSeq(make([]*Pool, 0, len(c.Exact)+len(c.Wildcard)+len(c.Services)), maps.Values(c.Exact))
	pools = slices.AppendSeq(pools, maps.Values(c.Wildcard))
	pools = slices.AppendSeq(pools, maps.Values(c.Services))
	slices.SortFunc(pools, func(a, b *Pool) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Service, b.Service))
	})
	return slices.Compact(pools)
}
