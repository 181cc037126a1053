package admin

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// now is the moment of all answers of the fake edge.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeEdge is an edge with a snapshot that does not change.
type fakeEdge struct {
	table     *pool.Table
	overrides map[string]pool.Override
	held      map[string]int // instances held, by cluster and service
	err       error          // of every order
	unready   error
}

func (f *fakeEdge) Table() *pool.Table { return f.table }

func (f *fakeEdge) Facts(cluster string) *discovery.Facts {
	for _, c := range f.table.Load().Clusters {
		if c.Name == cluster {
			return c.Facts
		}
	}
	return nil
}

func (f *fakeEdge) Explain(ask route.Ask) route.Explanation {
	e := route.Explain(f.table.Load(), ask)
	if e.Code == route.OK {
		e.Chosen = e.Pool.Groups[0].Members[0].Instance
	}
	return e
}

func (f *fakeEdge) Overrides() (all []pool.Override) {
	for _, o := range f.overrides {
		all = append(all, o)
	}
	return all
}

func (f *fakeEdge) SetOverride(_ context.Context, o pool.Override) error {
	if f.err == nil {
		o.Address, o.Created = "192.0.2.11:8080", now
		f.overrides[o.Instance] = o
	}
	return f.err
}

func (f *fakeEdge) DeleteOverride(_ context.Context, instance string) error {
	if f.err == nil {
		delete(f.overrides, instance)
	}
	return f.err
}

func (f *fakeEdge) Ready() error { return f.unready }

func (f *fakeEdge) Accept(cluster, service string) (released int, err error) {
	for key, n := range f.held {
		if key == cluster+"/"+service || service == "" && strings.HasPrefix(key, cluster+"/") {
			released += n
			delete(f.held, key)
		}
	}
	return released, nil
}

// newFakeEdge returns an edge with a live and a test cluster: a shop with three members, a master and its slave, a service without
// a domain, and a mass of instances held in the test cluster.
func newFakeEdge() *fakeEdge {
	drain := pool.Override{
		Instance: "live/web2/shop-2", Action: pool.Drain, Address: "192.0.2.12:8080", Author: "kim", Reason: "new disk",
		Created: now.Add(-time.Hour), Expires: now.Add(time.Hour),
	}
	table := pool.NewTable()
	table.Store(&pool.Snapshot{
		Version: 7, Clusters: []*pool.Cluster{liveCluster(), testCluster()}, Trusted: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	})
	return &fakeEdge{
		table: table, overrides: map[string]pool.Override{drain.Instance: drain},
		held: map[string]int{"test/shop": 3, "test/mail": 1},
	}
}

func liveCluster() *pool.Cluster {
	shop := newPool("live", "shop.example.com", "shop", pool.Settings{"policy": "least_conn", "retries": "1"},
		newMember("live", "web1", "shop-1", "192.0.2.11", 0, pool.Active, ""),
		newMember("live", "web2", "shop-2", "192.0.2.12", 0, pool.Draining, "draining by order of kim: new disk"),
		newMember("live", "web3", "shop-3", "192.0.2.13", 0, pool.Down, "critical at its source: HTTP check: 500"),
	)
	shop.Problems = []string{`meta of live/web1/shop-1: retry_budget "many": want a whole number from 0 to 100`}
	shop.Members[0].Meter.InFlight.Store(3)
	shop.Meter.InFlight.Store(3)
	shop.Meter.Requests.Store(1200)
	shop.Meter.Retries.Store(2)
	shop.Members[2].Instance.Health = discovery.Critical
	db := newPool("live", "db.example.com", "db", nil,
		newMember("live", "web1", "db-1", "192.0.2.11", 10, pool.Active, ""),
		newMember("live", "web2", "db-2", "192.0.2.12", 9, pool.Active, ""),
	)
	wild := newPool("live", "*.apps.example.com", "apps", nil, newMember("live", "web1", "apps-1", "192.0.2.11", 0, pool.Active, ""))
	redis := newPool("live", "redis", "redis", nil, newMember("live", "web3", "redis", "192.0.2.13", 0, pool.Down, "unreachable"))
	return &pool.Cluster{
		Name: "live", Ready: true,
		Exact:    map[string]*pool.Pool{shop.Name: shop, db.Name: db},
		Wildcard: map[string]*pool.Pool{"apps.example.com": wild},
		Services: map[string]*pool.Pool{"shop": shop, "db": db, "apps": wild, "redis": redis},
		Refused:  []pool.Refusal{{Domain: "db.example.com", Service: "web", Reason: "service db claims it too and comes first in the alphabet"}},
		DNS:      pool.DNSAnswer{Edge: []netip.Addr{netip.MustParseAddr("203.0.113.5")}},
		Facts: &discovery.Facts{
			Cluster: "live", Version: 41, Ready: true,
			Services: services("live", shop, db, wild, redis),
			Sources: []discovery.SourceStatus{{
				Name: "consul 127.0.0.1:8500", Ready: true, LastAnswer: now.Add(-1500 * time.Millisecond), Index: 9001, Watches: 5,
				Strategy: "a watch for each of 4 services",
			}, {
				Name: "docker /var/run/docker.sock", Ready: true, LastAnswer: now.Add(-500 * time.Millisecond), Watches: 1,
				Strategy: "events, and a list every 30s",
				Refused:  []string{"container shop-3, service shop.example.com: it names this service on a port that is not published"},
			}},
		},
	}
}

func testCluster() *pool.Cluster {
	shop := newPool("test", "shop.example.com", "shop", nil, newMember("test", "lab", "shop-1", "192.0.2.91", 0, pool.Active, ""))
	shop.Members[0].Instance.Held = "vanished in a mass at 2026-03-01T11:59:00Z; kept while it accepts connections, until 2026-03-01T12:14:00Z at the latest"
	return &pool.Cluster{
		Name: "test", Prefix: "test.", Ready: true, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Exact:    map[string]*pool.Pool{shop.Name: shop},
		Services: map[string]*pool.Pool{"shop": shop},
		Facts: &discovery.Facts{
			Cluster: "test", Version: 12, Ready: true,
			Services: services("test", shop),
			Sources: []discovery.SourceStatus{{
				Name: "consul 127.0.0.1:8501", Watches: 1, Strategy: "a watch for each of 1 services",
				Doubts: []discovery.Doubt{{Kind: discovery.SourceDoubt, Reason: "the list of names: Consul knows no leader at the moment", Since: now.Add(-time.Minute)}},
			}},
			Doubts: []discovery.Doubt{{
				Kind: discovery.MassDoubt, Reason: "4 of 5 present instances of cluster test vanished within 2s",
				Since: now.Add(-time.Minute), Until: now.Add(14 * time.Minute),
			}},
		},
	}
}

// newPool returns a pool of members given in the order of their priorities, highest first.
func newPool(cluster, name, service string, settings pool.Settings, members ...*pool.Member) *pool.Pool {
	spec := pool.DefaultSpec()
	spec.Apply("domain", settings)
	p := &pool.Pool{
		Name: name, Cluster: cluster, Service: service, Spec: spec, Members: members, Meter: new(pool.PoolMeter),
	}
	for _, m := range members {
		if last := len(p.Groups) - 1; last < 0 || p.Groups[last].Priority != m.Priority {
			p.Groups = append(p.Groups, &pool.Group{Priority: m.Priority})
		}
		g := p.Groups[len(p.Groups)-1]
		g.Members = append(g.Members, m)
		if m.State == pool.Active {
			g.Up++
		}
	}
	p.Joined = slices.IndexFunc(p.Groups, func(g *pool.Group) bool { return g.Up > 0 })
	p.Why = "nobody is up"
	if p.Joined >= 0 {
		g := p.Groups[p.Joined]
		p.Why = fmt.Sprintf("priority %d has %d of %d up, and min active is 1", g.Priority, g.Up, len(g.Members))
	}
	return p
}

func newMember(cluster, node, serviceID, address string, priority int, state pool.State, reason string) *pool.Member {
	instance := &discovery.Instance{
		ID: discovery.InstanceID(cluster, node, serviceID), Cluster: cluster, Node: node, ServiceID: serviceID,
		Address: address, Port: 8080,
	}
	return &pool.Member{
		Instance: instance, Addr: instance.HostPort(), Priority: priority, Weight: 1, State: state, Reason: reason, Meter: new(pool.Meter),
	}
}

// services returns the facts that pools were made of.
func services(cluster string, pools ...*pool.Pool) map[string]*discovery.Service {
	all := map[string]*discovery.Service{}
	for _, p := range pools {
		service := &discovery.Service{Name: p.Service}
		for _, m := range p.Members {
			instance := *m.Instance
			instance.Meta = map[string]string{"domain": p.Name}
			service.Instances = append(service.Instances, instance)
		}
		all[p.Service] = service
	}
	return all
}
