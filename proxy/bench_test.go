package proxy

import (
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// BenchmarkPublishOneChange is what the writer does after one instance of 10,000 domains has changed: the snapshot itself, and
// telling everybody of it.
func BenchmarkPublishOneChange(b *testing.B) {
	facts := discovery.NoFacts("live")
	facts.Ready = true
	service := func(n, port int) *discovery.Service {
		name := fmt.Sprintf("shop%d.example.com", n)
		s := &discovery.Service{Name: name}
		for copy := range 2 {
			id := fmt.Sprintf("%s-%d", name, copy)
			s.Instances = append(s.Instances, discovery.Instance{
				ID: "live/node/" + id, Cluster: "live", Node: "node", Service: name, ServiceID: id,
				Address: fmt.Sprintf("10.1.%d.%d", n/250, n%250), Port: uint16(port + copy),
			})
		}
		return s
	}
	for n := range 10000 {
		facts.Services[fmt.Sprintf("shop%d.example.com", n)] = service(n, 8000)
	}
	catalog := discovery.NewCatalog("live", nil, discovery.CatalogOptions{})
	e, err := New(NewShared(SharedOptions{}), Config{
		Clusters: []Cluster{{ClusterConfig: pool.ClusterConfig{Name: "live"}, Catalog: catalog}},
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	in := e.input(time.Now())
	in.Clusters[0].Facts = facts
	prev, _ := pool.Build(nil, in)
	changed := *facts
	changed.Version++
	changed.Services = maps.Clone(facts.Services)
	changed.Services["shop7.example.com"] = service(7, 9000)
	in.Clusters[0].Facts = &changed
	next, _ := pool.Build(prev, in)

	for name, run := range map[string]func(now time.Time){
		"build":   func(time.Time) { pool.Build(prev, in) },
		"publish": func(now time.Time) { e.publish(prev, next, now) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				run(time.Now())
			}
		})
	}
}
