package route

import (
	"strings"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Decide finds the pool of a domain for a client. It is pure and, where the host is normal already and the client is allowed,
// allocates nothing.
//
// In a cluster with a prefix the full name comes first (a service may be named test.shop.example.com itself), then the name
// without the prefix. An exact name beats a wildcard. A wildcard covers exactly one label, as in certificates (RFC 9525 §6.3)
// and in Caddy's own host matching, so that whatever is routed can also be served by the certificate of the same name:
// *.example.com is a.example.com, but neither example.com nor a.b.example.com, which *.b.example.com covers.
func Decide(s *pool.Snapshot, a Ask) Decision { return decide(s, a, domain) }

// DecideService finds the pool of a service by its name, whether or not it serves a domain. Ask.Host is that name behind the
// prefix of its cluster: "redis", "test.redis". Clusters and access lists bind it just like Decide.
func DecideService(s *pool.Snapshot, a Ask) Decision { return decide(s, a, service) }

// finder looks a name without the cluster's prefix up in one cluster; full is the same name with it.
type finder func(c *pool.Cluster, full, stripped string) *pool.Pool

func decide(s *pool.Snapshot, a Ask, find finder) Decision {
	name, ok := Normalise(a.Host)
	if !ok {
		return Decision{Code: BadHost, word: a.Host, Client: clean(a.Peer)}
	}
	d := Decision{Domain: name, Cluster: pick(s.Clusters, name)}
	if judge(s, &a, &d); d.Code != OK {
		return d
	}
	switch {
	case d.Cluster == nil:
		d.Code = NoDomain
		return d
	case !d.Cluster.Ready:
		d.Code = ClusterUnready
		return d
	}
	d.Pool = find(d.Cluster, name, name[len(d.Cluster.Prefix):])
	switch {
	case d.Pool == nil:
		d.Code = NoDomain
	case d.Pool.Joined < 0:
		d.Code = NoMember
	}
	return d
}

// Serves reports whether a cluster serves a normal name, its prefix included, whoever asks. It is for those who keep from a refused
// client that the name exists.
func Serves(c *pool.Cluster, name string) bool { return domain(c, name, name[len(c.Prefix):]) != nil }

// pick returns the cluster with the longest prefix that the name begins with.
func pick(clusters []*pool.Cluster, name string) *pool.Cluster {
	var best *pool.Cluster
	for _, c := range clusters {
		if strings.HasPrefix(name, c.Prefix) && (best == nil || len(c.Prefix) > len(best.Prefix)) {
			best = c
		}
	}
	return best
}

func domain(c *pool.Cluster, full, stripped string) *pool.Pool {
	if p := exact(c.Exact, full, stripped); p != nil {
		return p
	}
	_, parent, _ := strings.Cut(stripped, ".")
	return c.Wildcard[parent]
}

func service(c *pool.Cluster, full, stripped string) *pool.Pool {
	return exact(c.Services, full, stripped)
}

func exact(pools map[string]*pool.Pool, full, stripped string) *pool.Pool {
	if p := pools[full]; p != nil {
		return p
	}
	return pools[stripped]
}
