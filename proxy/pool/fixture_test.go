package pool

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

var noon = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)

// world is an input that tests change step by step.
type world struct {
	in   Input
	snap *Snapshot
}

// newWorld has one cluster for each prefix: "" is live, "test." is test.
func newWorld(prefixes ...string) *world {
	w := &world{in: Input{Now: noon, Meters: NewMeters()}}
	for _, prefix := range prefixes {
		name := "live"
		if prefix != "" {
			name = prefix[:len(prefix)-1]
		}
		facts := discovery.NoFacts(name)
		facts.Ready = true
		w.in.Clusters = append(w.in.Clusters, ClusterInput{
			Config:    ClusterConfig{Name: name, Prefix: prefix},
			Facts:     facts,
			Overrides: map[string]Override{}, Verdicts: map[string]Verdict{},
		})
	}
	return w
}

// copyOf is a setter for one instance of a service.
type copyOf func(*discovery.Instance)

func metaOf(pairs ...string) copyOf {
	return func(i *discovery.Instance) {
		i.Meta = map[string]string{}
		for k := 0; k < len(pairs); k += 2 {
			i.Meta[pairs[k]] = pairs[k+1]
		}
	}
}
func tags(tags ...string) copyOf       { return func(i *discovery.Instance) { i.Tags = tags } }
func health(h discovery.Health) copyOf { return func(i *discovery.Instance) { i.Health = h } }
func weights(pass, warn int) copyOf {
	return func(i *discovery.Instance) { i.Weights = discovery.Weights{Passing: pass, Warning: warn} }
}
func at(address string, port uint16) copyOf {
	return func(i *discovery.Instance) { i.Address, i.Port = address, port }
}
func index(n uint64) copyOf    { return func(i *discovery.Instance) { i.CreateIndex = n } }
func heldAs(why string) copyOf { return func(i *discovery.Instance) { i.Held = why } }
func all(setters ...copyOf) copyOf {
	return func(i *discovery.Instance) {
		for _, set := range setters {
			set(i)
		}
	}
}
func plain(*discovery.Instance) {}

// put registers a service with one copy per setter, as <service>-1, <service>-2 …, in a cluster.
func (w *world) put(cluster int, service string, copies ...copyOf) {
	c := w.in.Clusters[cluster].Config.Name
	s := &discovery.Service{Name: service}
	for n, set := range copies {
		serviceID := fmt.Sprintf("%s-%d", service, n+1)
		i := discovery.Instance{
			ID: discovery.InstanceID(c, "n1", serviceID), Cluster: c, Node: "n1", Service: service, ServiceID: serviceID,
			Address: fmt.Sprintf("10.0.%d.%d", cluster, n+1), Port: 20000 + uint16(len(service)),
		}
		set(&i)
		s.Instances = append(s.Instances, i)
	}
	w.change(cluster, func(services map[string]*discovery.Service) { services[service] = s })
}

func (w *world) remove(cluster int, service string) {
	w.change(cluster, func(services map[string]*discovery.Service) { delete(services, service) })
}

func (w *world) change(cluster int, edit func(map[string]*discovery.Service)) {
	old := w.in.Clusters[cluster].Facts
	facts := *old
	facts.Services = map[string]*discovery.Service{}
	for name, s := range old.Services {
		facts.Services[name] = s
	}
	edit(facts.Services)
	facts.Version++
	w.in.Clusters[cluster].Facts = &facts
}

// build makes the next snapshot of the world.
func (w *world) build() *Snapshot {
	w.snap, _ = Build(w.snap, w.in)
	return w.snap
}

// pool returns the pool of a domain of the first cluster.
func (w *world) pool(t *testing.T, domain string) *Pool {
	t.Helper()
	p := w.snap.Clusters[0].Exact[domain]
	if p == nil {
		t.Fatalf("no pool for %s", domain)
	}
	return p
}

func (w *world) config() *ClusterConfig { return &w.in.Clusters[0].Config }

// instance returns the ID of copy n of a service of cluster live.
func instance(service string, n int) string { return fmt.Sprintf("live/n1/%s-%d", service, n) }
