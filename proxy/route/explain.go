package route

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Explanation is a Decision with everything it was made from, as the admin API and the command line show it. The names of its
// JSON fields are stable.
type Explanation struct {
	// Version is that of the snapshot.
	Version uint64 `json:"version"`
	Host    string `json:"host"`
	Path    string `json:"path,omitempty"`
	// Client is the address the client is taken to have; empty if not known.
	Client  string            `json:"client"`
	Code    Code              `json:"code"`
	Status  int               `json:"status"`
	Reason  string            `json:"reason"`
	Domain  string            `json:"domain"`
	Cluster *ExplainedCluster `json:"cluster,omitempty"`
	Pool    *ExplainedPool    `json:"pool,omitempty"`
	// Refused are the claims to this domain, of any cluster, that are not served.
	Refused []RefusedClaim `json:"refused,omitempty"`
	// Chosen is the ID of the instance that would be chosen now; empty for none. Explain leaves it to its caller, who balances.
	Chosen string `json:"chosen,omitempty"`
	// Lane tells of every server that serves discovered domains whether the lane serves the host there. Explain leaves it to its caller,
	// who knows the servers.
	Lane []ExplainedLane `json:"lane,omitempty"`
}

// ExplainedLane says whether a server's HTTP/1.1 requests for a host are served by the lane, and if not, what keeps them from it.
type ExplainedLane struct {
	Server string   `json:"server"`
	Listen []string `json:"listen"`
	Serves bool     `json:"serves"`
	Reason string   `json:"reason,omitempty"`
	// Engine is by which engine it serves, "loop" or "portable"; empty where it does not serve.
	Engine string `json:"engine,omitempty"`
}

// ExplainedCluster is the cluster a name belongs to.
type ExplainedCluster struct {
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	Ready  bool   `json:"ready"`
	// Allow is the access list; absent where everybody may use the cluster.
	Allow []netip.Prefix `json:"allow,omitzero"`
	// Doubt holds the reasons why facts are kept that are no longer confirmed.
	Doubt []discovery.Doubt `json:"doubt,omitempty"`
}

// ExplainedPool is the pool of a domain.
type ExplainedPool struct {
	Name      string                      `json:"name"`
	Service   string                      `json:"service"`
	Policy    string                      `json:"policy"`
	MinActive int                         `json:"min_active"`
	Why       string                      `json:"why"`
	Groups    []ExplainedGroup            `json:"groups"`
	Settings  map[string]ExplainedSetting `json:"settings"`
	Problems  []string                    `json:"problems,omitempty"`
}

// ExplainedGroup is a priority group; Joined says that it takes traffic.
type ExplainedGroup struct {
	Priority int               `json:"priority"`
	Joined   bool              `json:"joined"`
	Members  []ExplainedMember `json:"members"`
}

// ExplainedMember is a member as it is at this moment.
type ExplainedMember struct {
	Instance string           `json:"instance"`
	Address  string           `json:"address"`
	State    pool.State       `json:"state"`
	Reason   string           `json:"reason,omitempty"`
	Weight   int              `json:"weight"`
	InFlight int64            `json:"in_flight"`
	Limit    int64            `json:"limit"`
	Held     string           `json:"held,omitempty"`
	Health   discovery.Health `json:"health"`
	Tags     []string         `json:"tags,omitempty"`
}

// ExplainedSetting is a setting's value and the layer it comes from.
type ExplainedSetting struct {
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// RefusedClaim is a domain that a service asked for and does not get.
type RefusedClaim struct {
	Cluster string `json:"cluster"`
	pool.Refusal
}

// Explain decides as Decide does and tells all about it. It is for operators: unlike a door's answer it names the cluster, its
// access list and refused claims even where the client would be refused.
func Explain(s *pool.Snapshot, a Ask) Explanation {
	d := Decide(s, a)
	e := Explanation{
		Version: s.Version, Host: a.Host, Path: a.Path,
		Code: d.Code, Status: d.Code.Status(), Reason: d.Reason(),
		Domain: d.Domain, Refused: refused(s, &d),
	}
	if d.Client.IsValid() {
		e.Client = d.Client.String()
	}
	if d.Cluster != nil {
		e.Cluster = explainCluster(d.Cluster)
	}
	if d.Pool != nil {
		e.Pool = ExplainPool(d.Pool)
	}
	return e
}

func explainCluster(c *pool.Cluster) *ExplainedCluster {
	e := &ExplainedCluster{Name: c.Name, Prefix: c.Prefix, Ready: c.Ready, Allow: c.Allow}
	if c.Facts == nil {
		return e
	}
	e.Doubt = append(e.Doubt, c.Facts.Doubts...)
	for _, source := range c.Facts.Sources {
		e.Doubt = append(e.Doubt, source.Doubts...)
	}
	return e
}

// ExplainPool tells all about one pool, as it stands at this moment.
func ExplainPool(p *pool.Pool) *ExplainedPool {
	joined := balance.Joined(p)
	e := &ExplainedPool{
		Name: p.Name, Service: p.Service, Policy: p.Spec.Policy, MinActive: p.Spec.MinActive, Why: p.Why + whyLimits(p, joined),
		Groups: make([]ExplainedGroup, 0, len(p.Groups)), Settings: map[string]ExplainedSetting{}, Problems: p.Problems,
	}
	for i, g := range p.Groups {
		e.Groups = append(e.Groups, explainGroup(g, i <= joined))
	}
	for key, value := range p.Spec.Values() {
		origin := p.Spec.Origin[key]
		if origin == "" {
			origin = "built-in"
		}
		e.Settings[key] = ExplainedSetting{Value: value, Origin: origin}
	}
	return e
}

// whyLimits adds to a pool's Why what connection limits do at this moment, which no snapshot knows: groups that have joined because
// members above are full, and nobody being left to take a request.
func whyLimits(p *pool.Pool, joined int) (why string) {
	full, free := 0, 0
	for _, g := range p.Groups[:joined+1] {
		for _, m := range g.Members {
			switch {
			case m.State != pool.Active:
			case m.Full():
				full++
			default:
				free++
			}
		}
	}
	if joined > p.Joined {
		why = fmt.Sprintf("; %d of them are at their connection limit, so those down to priority %d take part", full, p.Groups[joined].Priority)
	}
	if limit := int64(p.Spec.MaxConns); limit > 0 && p.Meter.InFlight.Load() >= limit {
		return why + fmt.Sprintf("; the pool is at its limit of %d, so requests wait", limit)
	}
	if full > 0 && free == 0 {
		return why + "; everybody is at their connection limit, so requests wait"
	}
	return why
}

func explainGroup(g *pool.Group, joined bool) ExplainedGroup {
	e := ExplainedGroup{Priority: g.Priority, Joined: joined, Members: make([]ExplainedMember, 0, len(g.Members))}
	for _, m := range g.Members {
		inFlight := m.Meter.InFlight.Load()
		e.Members = append(e.Members, ExplainedMember{
			Instance: m.ID(), Address: m.Addr, State: m.State, Reason: reasonOf(m, inFlight), Weight: m.Weight,
			InFlight: inFlight, Limit: m.Limit,
			Held: m.Instance.Held, Health: m.Instance.Health, Tags: m.Instance.Tags,
		})
	}
	return e
}

// reasonOf is a member's reason, and that it is full, which is why it takes nothing new although it is active.
func reasonOf(m *pool.Member, inFlight int64) string {
	if m.State != pool.Active || m.Limit == 0 || inFlight < m.Limit {
		return m.Reason
	}
	full := fmt.Sprintf("at its connection limit of %d", m.Limit)
	if m.Reason == "" {
		return full
	}
	return m.Reason + "; " + full
}

// refused collects the claims to the decision's domain that are not served: to the full name, to the name without prefix, and
// to the wildcard above it, in every cluster, since a claim may have failed because its name belongs to another cluster.
func refused(s *pool.Snapshot, d *Decision) (claims []RefusedClaim) {
	if d.Domain == "" {
		return nil
	}
	stripped := d.Domain
	if d.Cluster != nil {
		stripped = stripped[len(d.Cluster.Prefix):]
	}
	_, parent, _ := strings.Cut(stripped, ".")
	for _, c := range s.Clusters {
		for _, r := range c.Refused {
			if r.Domain == d.Domain || c == d.Cluster && (r.Domain == stripped || r.Domain == "*."+parent) {
				claims = append(claims, RefusedClaim{Cluster: c.Name, Refusal: r})
			}
		}
	}
	return claims
}
