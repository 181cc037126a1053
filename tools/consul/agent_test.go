package consul

import (
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestAgentRunsAndEnds(t *testing.T) {
	a := Start(t, Options{HTTPS: true})
	if err := a.Register(&api.AgentServiceRegistration{Name: "shop.example.com", Port: 80}); err != nil {
		t.Fatal(err)
	}
	a.Stop()
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitLeader(startTime); err != nil {
		t.Fatal(err, a.Log())
	}
	if leads, err := a.IsLeader(); err != nil || !leads {
		t.Errorf("a lone server leads: %v, %v", leads, err)
	}
}
