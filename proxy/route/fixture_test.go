package route

import (
	"net/netip"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// newPool returns a pool of one member, which is up.
func newPool(cluster, name, service string) *pool.Pool {
	m := &pool.Member{
		Instance: &discovery.Instance{ID: discovery.InstanceID(cluster, "web1", service+"-1"), Cluster: cluster, Service: service,
			Address: "10.1.1.1", Port: 32768, Tags: []string{"master"}},
		Addr: "10.1.1.1:32768", Priority: 10, Weight: 1, State: pool.Active, Meter: new(pool.Meter),
	}
	members := []*pool.Member{m}
	return &pool.Pool{
		Name: name, Cluster: cluster, Service: service, Spec: pool.DefaultSpec(), Members: members,
		Groups:  []*pool.Group{{Priority: 10, Members: members, Up: 1}},
		Lineups: []*pool.Lineup{{Members: members, Schedule: []uint16{0}, Weight: 1}},
		Why:     "1 of the 1 needed is up in group 10", Meter: new(pool.PoolMeter),
	}
}

// downPool returns a pool whose one member is down.
func downPool(cluster, name, service string) *pool.Pool {
	p := newPool(cluster, name, service)
	p.Joined, p.Lineups, p.Groups[0].Up = -1, nil, 0
	p.Members[0].State, p.Members[0].Reason = pool.Down, "critical: check web"
	return p
}

func newCluster(name, prefix string, allow []netip.Prefix, pools ...*pool.Pool) *pool.Cluster {
	c := &pool.Cluster{Name: name, Prefix: prefix, Allow: allow, Ready: true,
		Exact: map[string]*pool.Pool{}, Wildcard: map[string]*pool.Pool{}, Services: map[string]*pool.Pool{}}
	for _, p := range pools {
		if p.Name[0] == '*' {
			c.Wildcard[p.Name[2:]] = p
		} else {
			c.Exact[p.Name] = p
		}
		c.Services[p.Service] = p
	}
	return c
}

// twins is a live cluster, its test twin for 10.0.0.0/8, 192.168.0.0/16 and fd00::/8, a stage cluster below the test prefix
// for 172.16.0.0/12, and one that has had no facts yet; 10.9.0.0/16 (on the test cluster's list) and 203.0.113.0/24 (on none)
// are trusted proxies.
func twins() *pool.Snapshot {
	live := newCluster("live", "", nil,
		newPool("live", "shop.example.com", "shop.example.com"),
		newPool("live", "*.example.com", "all"),
		newPool("live", "*.shop.example.com", "deep"),
		newPool("live", "only.live.org", "only"),
		downPool("live", "down.example.com", "down.example.com"))
	test := newCluster("test", "test.", prefixes("10.0.0.0/8", "192.168.0.0/16", "fd00::/8"),
		newPool("test", "shop.example.com", "shop.example.com"),
		newPool("test", "full.example.com", "behind"),
		newPool("test", "test.full.example.com", "test.full.example.com"),
		newPool("test", "*.twin.org", "twins"),
		downPool("test", "down.example.com", "down.example.com"))
	stage := newCluster("stage", "stage.test.", prefixes("172.16.0.0/12"), newPool("stage", "shop.example.com", "shop.example.com"))
	fresh := newCluster("fresh", "fresh.", prefixes("10.0.0.0/8"))
	fresh.Ready = false
	return &pool.Snapshot{Version: 7, Clusters: []*pool.Cluster{test, live, stage, fresh},
		Trusted: prefixes("10.9.0.0/16", "203.0.113.0/24")}
}
