package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

const (
	// spare instances more than domains stay on the agent's node, so that domains that go at once are fewer than half of the node and
	// of the cluster: otherwise they are a mass, and held.
	spare = 100
	// copies of each filling service, there and on the other nodes.
	spareCopies, copies = 10, 2
	// fillTime bounds how long a filled catalogue may take to be seen.
	fillTime = time.Minute
)

// stage is a Consul agent with a filled catalogue, an edge that follows it, and a backend that all domains lead to.
type stage struct {
	agent   *consul.Agent
	client  *api.Client // for -registrars callers at once
	edge    *lab.Edge
	addr    string
	backend *lab.Backend
	filled  int // instances that are there all the time

	mu   sync.Mutex
	odds []string // answers that are neither 200 nor 404, and requests without one
}

// newStage starts everything and returns when the edge knows every instance.
func newStage(ctx context.Context, tb lab.TB) *stage {
	s := &stage{backend: lab.StartBackend(tb, "backend", nil)}
	s.startConsul(tb)
	if err := s.fill(ctx); err != nil {
		tb.Fatalf("%v", err)
	}
	port := lab.FreePort(tb)
	s.addr = fmt.Sprintf("127.0.0.1:%d", port)
	s.edge = lab.StartEdge(tb, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster live {
			consul %s
		}
	}
}
http://:%d {
	bind 127.0.0.1
	fairlead
}
`, s.agent.HTTP, port))
	if err := lab.Within(ctx, fillTime, func() (bool, error) {
		live, err := s.live()
		return live.Ready && live.Instances == s.filled, err
	}); err != nil {
		tb.Fatalf("waiting until fairlead knows all %d instances: %v", s.filled, err)
	}
	return s
}

func (s *stage) startConsul(tb lab.TB) {
	binary, err := consul.Binary()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	if s.agent, err = consul.Launch(binary, tb.TempDir(), consul.Options{Persistent: *persistent}); err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(s.agent.Kill)
	if err := s.agent.WaitLeader(time.Minute); err != nil {
		tb.Fatalf("%v\n%s", err, s.agent.Log())
	}
	transport := &http.Transport{MaxIdleConnsPerHost: *registrars}
	tb.Cleanup(transport.CloseIdleConnections)
	if s.client, err = api.NewClient(&api.Config{Address: s.agent.HTTP, Transport: transport}); err != nil {
		tb.Fatalf("a client for consul: %v", err)
	}
}

// fill registers what is there all the time, and returns when the whole catalogue has it.
func (s *stage) fill(ctx context.Context) error {
	onAgent := *domains + spare
	for i := range onAgent {
		r := &api.AgentServiceRegistration{ID: fmt.Sprint("spare-", i), Name: fmt.Sprintf("spare%d.example.com", i/spareCopies), Address: "127.0.0.1", Port: s.backend.Port}
		if err := s.agent.Register(r); err != nil {
			return err
		}
	}
	others := &consul.Catalog{Client: s.client, Nodes: *nodes}
	if err := others.Fill(*services, copies); err != nil {
		return err
	}
	s.filled = onAgent + *services*copies
	if err := lab.Within(ctx, fillTime, func() (bool, error) {
		there, err := s.registered()
		return there == s.filled, err
	}); err != nil {
		return fmt.Errorf("waiting until Consul's catalogue has all %d instances: %w", s.filled, err)
	}
	return nil
}

// registered counts the instances in the catalogue, node by node, the servers aside.
func (s *stage) registered() (int, error) {
	all, _, err := s.client.Catalog().Nodes(nil)
	if err != nil {
		return 0, err
	}
	there := 0
	for _, node := range all {
		list, _, err := s.client.Catalog().NodeServiceList(node.Node, nil)
		if err != nil {
			return 0, err
		}
		for _, one := range list.Services {
			if one.Service != "consul" {
				there++
			}
		}
	}
	return there, nil
}

// cluster is what /fairlead/sources says of one.
type cluster struct {
	Ready           bool
	Instances, Held int
	Sources         []struct{ Strategy string }
}

func (s *stage) live() (cluster, error) {
	var page struct{ Clusters []cluster }
	if err := s.edge.GetJSON("/fairlead/sources", &page); err != nil {
		return cluster{}, err
	}
	if len(page.Clusters) != 1 || len(page.Clusters[0].Sources) != 1 {
		return cluster{}, fmt.Errorf("fairlead tells of %d clusters", len(page.Clusters))
	}
	return page.Clusters[0], nil
}

// unheld makes sure that nothing was held as a mass, and returns how the catalogue is followed.
func (s *stage) unheld() (strategy string, err error) {
	live, err := s.live()
	if err == nil && live.Held > 0 {
		err = fmt.Errorf("%d instances are held as a mass: nothing is measured", live.Held)
	}
	if err != nil {
		return "", err
	}
	return live.Sources[0].Strategy, nil
}

// note keeps an answer that nobody should get.
func (s *stage) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.odds = append(s.odds, what)
}

// odd tells of those answers, and whether there were any.
func (s *stage) odd() (words string, some bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.odds) == 0 {
		return "none", false
	}
	return fmt.Sprintf("%d: %s", len(s.odds), strings.Join(s.odds[:min(10, len(s.odds))], "; ")), true
}
