package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
)

// label marks the containers, which carry the engine's suffix as its value.
const label = "fairlead-bench"

// startTime bounds how long the parts may take to know all that is there.
const startTime = time.Minute

// spare instances stay in Consul, so that containers that go are fewer than half of the node: otherwise they are a mass, and held.
const spare = 30

// stage is what a part is measured on.
type stage struct {
	*engine.Real
	image  string
	consul string // path of the binary
	agent  *consul.Agent
	addr   string // of the edge
	client *lab.Client
}

// set starts what a part needs, and returns what ends it.
func (s *stage) set(ctx context.Context, tb lab.TB, p part) (end func()) {
	source := "docker {\n\t\t\t\tadvertise 127.0.0.1\n\t\t\t\tallow loopback\n\t\t\t}"
	stop := func() {}
	if !p.local {
		s.agent = startConsul(tb, s.consul)
		for i := range spare {
			r := &api.AgentServiceRegistration{ID: fmt.Sprint("spare-", i), Name: "spare.example.com", Address: "127.0.0.1", Port: 1 + i}
			if err := s.agent.Register(r); err != nil {
				tb.Fatalf("%v", err)
			}
		}
		registrar := startAgent(ctx, tb, s.agent)
		source = "consul " + s.agent.HTTP
		stop = func() {
			registrar.Kill()
			s.agent.Kill()
		}
	}
	port := lab.FreePort(tb)
	edge := lab.StartEdge(tb, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster live {
			%s
		}
		drain_delay 0
	}
}
http://:%d {
	bind 127.0.0.1
	fairlead
}
`, source, port))
	s.addr = fmt.Sprintf("127.0.0.1:%d", port)
	s.client = &lab.Client{Addr: s.addr}
	var page struct{ Clusters []struct{ Ready bool } }
	if err := lab.Within(ctx, startTime, func() (bool, error) {
		err := edge.GetJSON("/fairlead/sources", &page)
		return len(page.Clusters) == 1 && page.Clusters[0].Ready, err
	}); err != nil {
		tb.Fatalf("waiting for the edge: %v", err)
	}
	return func() {
		s.client.Close()
		edge.Kill()
		stop()
	}
}

func startConsul(tb lab.TB, binary string) *consul.Agent {
	tb.Helper()
	a, err := consul.Launch(binary, tb.TempDir(), consul.Options{})
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(a.Kill)
	if err := a.WaitLeader(startTime); err != nil {
		tb.Fatalf("%v\n%s", err, a.Log())
	}
	return a
}

// startAgent starts a registrar, and returns when it knows both its sides.
func startAgent(ctx context.Context, tb lab.TB, a *consul.Agent, more ...string) *lab.Edge {
	tb.Helper()
	agent := lab.LaunchCommand(tb, append([]string{"agent", "--advertise", "127.0.0.1", "--allow-loopback", "--consul", a.HTTP}, more...)...)
	if err := lab.Within(ctx, startTime, func() (bool, error) {
		r, err := status(agent)
		return r.Healthy(), err
	}); err != nil {
		tb.Fatalf("waiting for the agent: %v", err)
	}
	return agent
}

// status is what an agent says of its registrar.
func status(agent *lab.Edge) (registrar.Status, error) {
	var page struct{ Registrars []registrar.Status }
	if err := agent.GetJSON("/fairlead/registrations", &page); err != nil {
		return registrar.Status{}, err
	}
	if len(page.Registrars) != 1 {
		return registrar.Status{}, fmt.Errorf("the agent has %d registrars", len(page.Registrars))
	}
	return page.Registrars[0], nil
}
