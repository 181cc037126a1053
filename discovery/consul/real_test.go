package consul

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

// ways are the two ways of following a catalog, by the number of watches that leads to each.
var ways = map[string]int{"a watch for each service": 100, "hints and single reads": 6}

// fill registers services so that few watches are too few.
func fill(t *testing.T, a *realconsul.Agent) {
	t.Helper()
	for i := range 8 {
		if err := a.Register(&api.AgentServiceRegistration{Name: fmt.Sprintf("filler-%d", i), Port: 1000 + i}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRealLifeOfAnInstance(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	fill(t, a)
	for way, watches := range ways {
		t.Run(way, func(t *testing.T) { lifeOfAnInstance(t, a, watches) })
	}
}

func lifeOfAnInstance(t *testing.T, a *realconsul.Agent, watches int) {
	o := observe(t, Config{Address: a.HTTP, MaxWatches: watches, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}, nil)
	o.until(t, "the first complete answer", func(o *observer) bool { return o.complete && len(o.services) == 8 })

	const name = "shop.example.com"
	began := time.Now()
	err := a.Register(&api.AgentServiceRegistration{
		ID: "shop-1", Name: name, Address: "[2001:db8::1]", Port: 32768, Tags: []string{"master"},
		Meta:    map[string]string{"domain": "a.example.com"},
		Weights: &api.AgentWeights{Passing: 7, Warning: 2},
		Check:   &api.AgentServiceCheck{CheckID: "shop-check", TTL: "1h", Status: api.HealthPassing},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.until(t, "registration", func(o *observer) bool { return o.instance(name) != nil })
	t.Logf("reported %s after the registration began", time.Since(began))
	o.until(t, "everything of it", func(o *observer) bool {
		i := o.instance(name)
		return i.ID == "live/node/shop-1" && i.Address == "2001:db8::1" && i.Port == 32768 && i.Health == discovery.Passing &&
			i.Weights == discovery.Weights{Passing: 7, Warning: 2} && i.Meta["domain"] == "a.example.com" && i.Tags[0] == "master" && i.CreateIndex > 0
	})

	set := func(state string, want discovery.Health) {
		t.Helper()
		if err := a.SetCheck("shop-check", state); err != nil {
			t.Fatal(err)
		}
		o.until(t, state, func(o *observer) bool { return o.instance(name).Health == want })
	}
	set(api.HealthWarning, discovery.Warning)
	set(api.HealthCritical, discovery.Critical)
	set(api.HealthPassing, discovery.Passing)

	agent := a.Client().Agent()
	steps := []struct {
		what string
		do   func() error
		want discovery.Health
	}{
		{"service maintenance", func() error { return agent.EnableServiceMaintenance("shop-1", "moving") }, discovery.Maintenance},
		{"end of service maintenance", func() error { return agent.DisableServiceMaintenance("shop-1") }, discovery.Passing},
		{"node maintenance", func() error { return agent.EnableNodeMaintenance("power") }, discovery.Maintenance},
		{"end of node maintenance", func() error { return agent.DisableNodeMaintenance() }, discovery.Passing},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(step.what, err)
		}
		o.until(t, step.what, func(o *observer) bool { return o.instance(name).Health == step.want })
	}

	began = time.Now()
	if err := a.Deregister("shop-1"); err != nil {
		t.Fatal(err)
	}
	o.until(t, "deregistration", func(o *observer) bool { return o.services[name] == nil })
	t.Logf("gone %s after the deregistration began", time.Since(began))
	o.until(t, "no doubt", func(o *observer) bool { return len(o.status.Doubts) == 0 })
}

// TestRealOtherDatacenter follows a datacenter through an agent of another one, with any server answering.
func TestRealOtherDatacenter(t *testing.T) {
	here := realconsul.Start(t, realconsul.Options{Datacenter: "dc1"})
	there := realconsul.Start(t, realconsul.Options{Node: "far", Datacenter: "dc2"})
	if err := here.JoinWAN(there, "dc2"); err != nil {
		t.Fatal(err)
	}
	register(t, here, "near.example.com")
	register(t, there, "shop.example.com")
	for way, watches := range ways {
		t.Run(way, func(t *testing.T) {
			if watches < 100 {
				fill(t, there)
			}
			c := prompt(here.HTTP)
			c.Datacenter, c.Stale, c.MaxWatches = "dc2", true, watches
			o := observe(t, c, nil)
			o.until(t, "the services there, and those only", func(o *observer) bool {
				return o.complete && hasWell("shop.example.com")(o) && o.instance("shop.example.com").Node == "far" && o.services["near.example.com"] == nil
			})
			late := fmt.Sprintf("late-%d.example.com", watches)
			register(t, there, late)
			o.until(t, "a new service", hasWell(late))
			if err := there.Deregister(late); err != nil {
				t.Fatal(err)
			}
			o.until(t, "its end", func(o *observer) bool { return o.services[late] == nil && len(o.status.Doubts) == 0 })
		})
	}
	c := prompt(here.HTTP)
	c.Datacenter = "dc3"
	o := observe(t, c, nil)
	o.until(t, "doubt about a datacenter that nobody knows", func(o *observer) bool {
		return o.doubts(discovery.SourceDoubt, "", "datacenter")
	})
}
