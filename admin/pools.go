package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// The most pools one answer lists, and how many it does where no limit is asked for.
const (
	mostPools    = 10000
	defaultPools = 1000
)

// poolsView is a list of pools, or a part of it.
type poolsView struct {
	Version uint64        `json:"version"`
	Pools   []poolSummary `json:"pools"`
	// Next is the value of after that continues a list cut short by its limit.
	Next string `json:"next,omitempty"`
}

type poolSummary struct {
	Cluster string `json:"cluster"`
	Name    string `json:"name"`
	Service string `json:"service"`
	// Members are all of them, Up those that are active.
	Members  int    `json:"members"`
	Up       int    `json:"up"`
	Joined   *int   `json:"joined_priority,omitempty"`
	Why      string `json:"why"`
	Problems int    `json:"problems"`
}

// poolView is one pool with all about it.
type poolView struct {
	Cluster string `json:"cluster"`
	// Domain is what clients call the pool by, the cluster's prefix included; absent for a service that serves none.
	Domain string `json:"domain,omitempty"`
	*route.ExplainedPool
	Traffic trafficView `json:"traffic"`
}

// trafficView is what a pool's meter shows at this moment; the sums are of this life of the process.
type trafficView struct {
	InFlight int64  `json:"in_flight"`
	Queued   int64  `json:"queued"`
	Requests uint64 `json:"requests"`
	Retries  uint64 `json:"retries"`
}

// pools lists the pools whose name begins with prefix, in the order of clusters and names, from the one after "cluster/name".
func (a *api) pools(s *pool.Snapshot, r *http.Request) (any, error) {
	values, err := query(r, "cluster", "prefix", "limit", "after")
	if err != nil {
		return nil, err
	}
	limit := defaultPools
	if given := values.Get("limit"); given != "" {
		if limit, err = strconv.Atoi(given); err != nil || limit < 1 || limit > mostPools {
			return nil, badInput("write a whole number from 1 to "+strconv.Itoa(mostPools), "limit %q cannot be read", given)
		}
	}
	afterCluster, afterName, paged := strings.Cut(values.Get("after"), "/")
	for _, name := range []string{values.Get("cluster"), afterCluster} {
		if name == "" {
			continue
		}
		if err := knownCluster(s, name); err != nil {
			return nil, err
		}
	}
	view := poolsView{Version: s.Version, Pools: []poolSummary{}}
	for _, c := range s.Clusters {
		if paged && c.Name != afterCluster || values.Get("cluster") != "" && c.Name != values.Get("cluster") {
			continue
		}
		for _, p := range c.Pools() {
			switch {
			case !strings.HasPrefix(p.Name, values.Get("prefix")), paged && p.Name <= afterName:
			case len(view.Pools) == limit:
				last := view.Pools[limit-1]
				view.Next = last.Cluster + "/" + last.Name
				return view, nil
			default:
				view.Pools = append(view.Pools, summarise(c, p))
			}
		}
		paged = false // the clusters after that of the cursor are new from their first pool on
	}
	return view, nil
}

func summarise(c *pool.Cluster, p *pool.Pool) poolSummary {
	up := 0
	for _, g := range p.Groups {
		up += g.Up
	}
	return poolSummary{
		Cluster: c.Name, Name: p.Name, Service: p.Service, Members: len(p.Members), Up: up,
		Joined: joined(p), Why: p.Why, Problems: len(p.Problems),
	}
}

// pool shows every pool of that name, in all clusters or the one asked for. A name may carry its cluster's prefix.
func (a *api) pool(s *pool.Snapshot, r *http.Request) (any, error) {
	values, err := query(r, "cluster")
	if err != nil {
		return nil, err
	}
	only, name := values.Get("cluster"), strings.ToLower(r.PathValue("pool"))
	if only != "" {
		if err := knownCluster(s, only); err != nil {
			return nil, err
		}
	}
	found := []poolView{}
	for _, c := range s.Clusters {
		if only != "" && c.Name != only {
			continue
		}
		for _, p := range c.Pools() {
			if domain := domain(c, p); domain == name || strings.ToLower(p.Name) == name {
				found = append(found, viewWhole(c, p, domain))
			}
		}
	}
	if len(found) == 0 {
		return nil, unknown("see /fairlead/pools for all of them, and /fairlead/explain?host="+name+" for why a domain is not served",
			"no pool is named %q", name)
	}
	return struct {
		Version uint64     `json:"version"`
		Pools   []poolView `json:"pools"`
	}{s.Version, found}, nil
}

// domain returns the name by which clients reach a pool, or "" where they cannot. Claims that carry the prefix already are known to
// the cluster under their full name.
func domain(c *pool.Cluster, p *pool.Pool) string {
	wildcard, isWildcard := strings.CutPrefix(p.Name, "*.")
	switch {
	case isWildcard && c.Wildcard[wildcard] != p, !isWildcard && c.Exact[p.Name] != p:
		return ""
	case strings.HasPrefix(p.Name, c.Prefix):
		return p.Name
	}
	return c.Prefix + p.Name
}

func viewWhole(c *pool.Cluster, p *pool.Pool, domain string) poolView {
	return poolView{
		Cluster: c.Name, Domain: domain, ExplainedPool: route.ExplainPool(p),
		Traffic: trafficView{
			InFlight: p.Meter.InFlight.Load(), Queued: p.Meter.Queued.Load(),
			Requests: p.Meter.Requests.Load(), Retries: p.Meter.Retries.Load(),
		},
	}
}
