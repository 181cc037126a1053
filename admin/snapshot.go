package admin

import (
	"net/http"
	"net/netip"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// snapshotView is all that decisions are made from. It holds nothing that changes with requests: two answers with one version are
// equal, byte for byte.
type snapshotView struct {
	Version  uint64            `json:"version"`
	Trusted  []netip.Prefix    `json:"trusted"`
	Clusters []clusterSnapshot `json:"clusters"`
}

type clusterSnapshot struct {
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	// Allow is null where everybody may use the cluster, and empty where nobody may.
	Allow   []netip.Prefix `json:"allow"`
	Ready   bool           `json:"ready"`
	DNSEdge []netip.Addr   `json:"dns_edge"`
	Refused []pool.Refusal `json:"refused"`
	Pools   []poolSnapshot `json:"pools"`
}

type poolSnapshot struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	// Joined is the lowest priority that takes traffic; absent while nobody is up.
	Joined *int   `json:"joined_priority,omitempty"`
	Why    string `json:"why"`
	// Settings are those that differ from the built-in ones.
	Settings pool.Settings    `json:"settings"`
	Problems []string         `json:"problems,omitempty"`
	Members  []memberSnapshot `json:"members"`
}

type memberSnapshot struct {
	Instance string           `json:"instance"`
	Address  string           `json:"address"`
	Priority int              `json:"priority"`
	State    pool.State       `json:"state"`
	Reason   string           `json:"reason,omitempty"`
	Weight   int              `json:"weight"`
	Limit    int64            `json:"limit"`
	Held     string           `json:"held,omitempty"`
	Health   discovery.Health `json:"health"`
}

func (a *api) snapshot(s *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	view := snapshotView{Version: s.Version, Trusted: append([]netip.Prefix{}, s.Trusted...), Clusters: []clusterSnapshot{}}
	for _, c := range s.Clusters {
		view.Clusters = append(view.Clusters, viewCluster(c))
	}
	return view, nil
}

func viewCluster(c *pool.Cluster) clusterSnapshot {
	view := clusterSnapshot{
		Name: c.Name, Prefix: c.Prefix, Allow: c.Allow, Ready: c.Ready,
		DNSEdge: append([]netip.Addr{}, c.DNS.Edge...), Refused: append([]pool.Refusal{}, c.Refused...),
		Pools: []poolSnapshot{},
	}
	for _, p := range c.Pools() {
		view.Pools = append(view.Pools, viewPool(p))
	}
	return view
}

func viewPool(p *pool.Pool) poolSnapshot {
	view := poolSnapshot{
		Name: p.Name, Service: p.Service, Joined: joined(p), Why: p.Why,
		Settings: pool.Settings{}, Problems: p.Problems, Members: make([]memberSnapshot, 0, len(p.Members)),
	}
	if len(p.Spec.Origin) > 0 {
		values := p.Spec.Values()
		for key := range p.Spec.Origin {
			view.Settings[key] = values[key]
		}
	}
	for _, m := range p.Members {
		view.Members = append(view.Members, memberSnapshot{
			Instance: m.ID(), Address: m.Addr, Priority: m.Priority, State: m.State, Reason: m.Reason,
			Weight: m.Weight, Limit: m.Limit, Held: m.Instance.Held, Health: m.Instance.Health,
		})
	}
	return view
}

// joined returns the lowest priority of a pool that takes traffic, or nil while nobody is up.
func joined(p *pool.Pool) *int {
	if p.Joined < 0 {
		return nil
	}
	return &p.Groups[p.Joined].Priority
}
