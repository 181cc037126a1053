package balance

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// table returns a table with one pool of the domain shop.example.com, its members from the priorities and weights given.
func table(settings pool.Settings, members ...discovery.Instance) *pool.Table {
	facts := discovery.NoFacts("live")
	facts.Ready = true
	s := &discovery.Service{Name: "shop.example.com"}
	for n, i := range members {
		i.Cluster, i.Node, i.Service, i.ServiceID = "live", "n1", s.Name, fmt.Sprintf("shop-%03d", n+1)
		i.ID = discovery.InstanceID(i.Cluster, i.Node, i.ServiceID)
		i.Address, i.Port = "10.0.0.1", uint16(1000+n)
		s.Instances = append(s.Instances, i)
	}
	facts.Services[s.Name] = s
	snapshot, _ := pool.Build(nil, pool.Input{
		Now: time.Now(), Meters: pool.NewMeters(),
		Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live", Defaults: settings}, Facts: facts}},
	})
	t := pool.NewTable()
	t.Store(snapshot)
	return t
}

// poolOf returns that pool.
func poolOf(settings pool.Settings, members ...discovery.Instance) *pool.Pool {
	return table(settings, members...).Load().Clusters[0].Exact["shop.example.com"]
}

func weight(n int) discovery.Instance {
	return discovery.Instance{Weights: discovery.Weights{Passing: n, Warning: 1}}
}

func priority(n int) discovery.Instance {
	return discovery.Instance{Meta: map[string]string{"priority": fmt.Sprint(n)}}
}

// equals returns n members of the same weight.
func equals(n int) []discovery.Instance {
	members := make([]discovery.Instance, n)
	for i := range members {
		members[i] = weight(1)
	}
	return members
}

// load puts requests in flight at the members, in their order.
func load(p *pool.Pool, inFlight ...int64) {
	for i, n := range inFlight {
		p.Members[i].Meter.InFlight.Store(n)
	}
}

// position returns the place of m among the pool's members from 1 on, 0 for nil.
func position(p *pool.Pool, m *pool.Member) int {
	for i, other := range p.Members {
		if other == m {
			return i + 1
		}
	}
	return 0
}

// tally counts how often each member is chosen.
func tally(p *pool.Pool, times int, key func(int) uint64) []int {
	counts := make([]int, len(p.Members)+1)
	for n := range times {
		counts[position(p, Choose(p, key(n), nil))]++
	}
	return counts[1:]
}

func noKey(int) uint64 { return 0 }

// within fails unless got is want, give or take a share of it.
func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if got < want*(1-tolerance) || got > want*(1+tolerance) {
		t.Errorf("%s: %.1f, want %.1f ± %.0f %%", what, got, want, tolerance*100)
	}
}
