package registrar

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

func TestRealSourceInDoubtDeregistersNothing(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	r := start(t, prompt(a))
	one, two := instance("shop", "shop-1", 8001), instance("shop", "shop-2", 8002)
	// Before the first complete answer nothing that goes is believed to be gone.
	r.source.reports <- discovery.Update{Services: grouped([]discovery.Instance{one, two})}
	expect(t, a, "shop-1: shop", "shop-2: shop")
	r.source.reports <- discovery.Update{Services: grouped([]discovery.Instance{one})}
	r.until(t, "one to be kept", func(s Status) bool { return s.Counts.Kept == 1 && !s.Source.Up })
	r.source.all(one, two)
	r.until(t, "both", settled(2))
	r.source.doubt("the socket does not answer")
	r.until(t, "both to be kept", func(s Status) bool {
		return s.Counts.Kept == 2 && !s.Source.Up && strings.Contains(s.Source.Reason, "socket") && !s.Healthy()
	})
	r.source.doubt("the socket does not answer", two, instance("db", "db-1", 9001))
	r.until(t, "one to be kept", func(s Status) bool { return s.Counts.Kept == 1 && s.Counts.Agreeing == 3 })
	expect(t, a, "shop-1: shop", "shop-2: shop", "db-1: db")
	r.source.end <- errors.New("no such socket")
	r.until(t, "the end to be shown", func(s Status) bool {
		return !s.Source.Up && slices.ContainsFunc(s.Source.Doubts, func(d discovery.Doubt) bool { return strings.Contains(d.Reason, "no such socket") })
	})
	expect(t, a, "shop-1: shop", "shop-2: shop", "db-1: db")
	r.source.all(instance("db", "db-1", 9001))
	expect(t, a, "db-1: db")
	r.until(t, "agreement", settled(1))
}

// TestRealConsulEmptied: an agent that comes back with nothing has everything again within one resync.
func TestRealConsulEmptied(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	c := prompt(a)
	r := start(t, c)
	shop, db := instance("shop", "shop-1", 8001, withMeta("check_ttl", "1h")), instance("db", "db-1", 9001)
	r.source.all(shop, db)
	r.until(t, "both services", settled(2))
	a.Kill()
	r.until(t, "the agent's absence", func(s Status) bool { return !s.Agent.Up && s.Agent.Reason != "" && s.Source.Up && !s.Healthy() })
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitLeader(patience); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.until(t, "both services again", settled(2))
	t.Logf("registered again %s after Consul had a leader (resync %s)", time.Since(began).Round(time.Millisecond), c.Resync)
	expect(t, a, "shop-1: shop 127.0.0.1:8001 [] critical", "db-1: db")

	// What leaves while the agent is away is gone when it is back with its memory.
	r.source.all(shop)
	expect(t, a, "shop-1: shop")
}

// TestRealConsulKeeps: an agent that comes back with its data is told what happened meanwhile.
func TestRealConsulKeeps(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{Persistent: true})
	r := start(t, prompt(a))
	r.source.all(instance("shop", "shop-1", 8001), instance("shop", "shop-2", 8002))
	r.until(t, "both services", settled(2))
	a.Kill()
	r.source.all(instance("shop", "shop-2", 8002, withTags("new")), instance("shop", "shop-3", 8003))
	r.until(t, "the agent's absence", func(s Status) bool { return !s.Agent.Up })
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	expect(t, a, "shop-2: [new]", "shop-3: shop")
	r.until(t, "agreement", settled(2))
	if err := a.Pause(); err != nil {
		t.Fatal(err)
	}
	r.source.all(instance("shop", "shop-3", 8003))
	time.Sleep(100 * time.Millisecond)
	if err := a.Resume(); err != nil {
		t.Fatal(err)
	}
	expect(t, a, "shop-3: shop")
}

// TestRealNoLeader: while there is no leader nothing is written, which would block the agent, and then everything is.
func TestRealNoLeader(t *testing.T) {
	servers := realconsul.StartCluster(t, 3, realconsul.Options{})
	a := servers[0]
	r := start(t, prompt(a))
	r.source.all(instance("shop", "shop-1", 8001))
	r.until(t, "the first", settled(1))
	servers[1].Kill()
	servers[2].Kill()
	r.until(t, "no leader", func(s Status) bool {
		return s.Agent.Up && !s.Agent.Leader && strings.Contains(s.Agent.Reason, "leader")
	})
	r.source.all(instance("shop", "shop-2", 8002))
	time.Sleep(time.Second)
	if s := r.Status(); !s.Agent.Up || s.Agent.Leader || s.Healthy() || s.Writes.Registered != 1 || s.Writes.Failed != 0 {
		t.Errorf("without a leader: %+v", s)
	}
	for _, s := range servers[1:] {
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, a, "shop-2: shop")
	r.until(t, "health", settled(1))
}

// TestRealTwoRegistrars: the second waits with a reason, and takes over when the first ends.
func TestRealTwoRegistrars(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	c := prompt(a)
	first := start(t, c)
	first.source.all(instance("shop", "shop-1", 8001))
	first.until(t, "the service", settled(1))
	second := start(t, c)
	second.source.all(instance("db", "db-1", 9001))
	second.until(t, "the refusal", func(s Status) bool { return !s.Agent.Up && s.Agent.Reason == errTaken.Error() })
	other := c
	other.Owner = "test2"
	third := start(t, other)
	third.source.all(instance("web", "web-1", 8001))
	expect(t, a, "shop-1: shop", "web-1: web")
	first.stop()
	expect(t, a, "db-1: db", "web-1: web")
	second.until(t, "agreement", settled(1))

	// One that the lock cannot see is betrayed by what appears under our name. It is left alone.
	if err := a.Register(&api.AgentServiceRegistration{ID: "alien", Name: "alien", Port: 1, Meta: second.service(t, a, "db-1").Meta}); err != nil {
		t.Fatal(err)
	}
	second.until(t, "the other one's service", func(s Status) bool {
		return s.Counts.Strange == 1 && !s.Healthy() && len(s.Items) == 1 && strings.Contains(s.Items[0].Error, "another registrar")
	})
	time.Sleep(2 * c.Probation)
	expect(t, a, "db-1: db", "web-1: web", "alien: alien")
}

// TestRealQuarrel: a service that does not become what it ought to be is not written at full speed.
func TestRealQuarrel(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	c := prompt(a)
	c.Address = spoilt(t, a)
	r := start(t, c)
	r.source.all(instance("shop", "shop-1", 8001, withTags("a")))
	r.until(t, "the quarrel to be told", func(s Status) bool {
		return len(s.Items) == 1 && strings.Contains(s.Items[0].Error, "different in its tags") && s.Items[0].Attempts > 2
	})
	// From its third failure on the pause is at least twice the shortest one.
	began, before := time.Now(), r.Status().Writes.Registered
	time.Sleep(10 * c.RetryMin)
	n, took := r.Status().Writes.Registered-before, time.Since(began)
	if most := uint64(took/(2*c.RetryMin)) + 1; n > most {
		t.Errorf("%d registrations in %s, want %d at the most", n, took, most)
	}
}

// spoilt returns the address of a server that passes everything on to an agent and loses the tags of all registrations.
func spoilt(t *testing.T, a *realconsul.Agent) string {
	t.Helper()
	proxy := pass(a)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/agent/service/register" {
			r = rewritten(r, func(body string) string { return strings.ReplaceAll(body, `"Tags":["a"]`, `"Tags":["b"]`) })
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
