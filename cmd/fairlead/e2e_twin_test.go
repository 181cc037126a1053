package main_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// half is one cluster of two, with a Consul of its own.
type half struct {
	name, prefix string
	agent        *consul.Agent
	backend      *lab.Backend
}

func startHalf(t *testing.T, name, prefix string) *half {
	t.Helper()
	h := &half{name, prefix, consul.Start(t, consul.Options{Persistent: true}), lab.StartBackend(t, name, nil)}
	register(t, h.agent, "shop.example.com", h.backend)
	return h
}

// TestOneOfTwoConsulsDies kills the Consul of one cluster: the other one does not notice, and the one goes on with its last facts.
func TestOneOfTwoConsulsDies(t *testing.T) {
	t.Parallel() // most of it is waiting for Consul
	live, test := startHalf(t, "live", ""), startHalf(t, "test", "test.")
	port := lab.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster live {
			consul %s
		}
		cluster test {
			prefix test.
			allow 127.0.0.1
			consul %s
		}
	}
}
http://:%d {
	fairlead
}
`, live.agent.HTTP, test.agent.HTTP, port))
	for _, h := range []*half{live, test} {
		waitStatus(t, addr, h.prefix+"shop.example.com", 200)
		waitCertain(t, e, h.name)
	}

	for _, row := range []struct{ dies, lives *half }{{test, live}, {live, test}} {
		t.Run(row.dies.name, func(t *testing.T) {
			stop := underLoad(t, addr, "shop.example.com", "test.shop.example.com")
			row.dies.agent.Kill()
			t.Logf("in doubt after %v", waitDoubt(t, e, row.dies.name, "connection refused"))
			meanwhile := "without-" + row.dies.name + ".example.com"
			register(t, row.lives.agent, meanwhile, row.lives.backend)
			t.Logf("a new domain of the other cluster served after %v", waitStatus(t, addr, row.lives.prefix+meanwhile, 200))
			if got := status(addr, row.dies.prefix+meanwhile); got != 404 {
				t.Errorf("the cluster without its Consul answers %d for a domain of the other one", got)
			}
			if all := doubtsOf(t, e, row.lives.name); len(all) > 0 {
				t.Errorf("the other cluster is in doubt: %+v", all)
			}
			if _, err := e.Get("/fairlead/ready"); err != nil {
				t.Errorf("not ready: %v", err)
			}
			checkHalves(t, addr)

			if err := row.dies.agent.Restart(); err != nil {
				t.Fatal(err)
			}
			t.Logf("Consul started again, no doubt after %v", waitCertain(t, e, row.dies.name))
			register(t, row.dies.agent, "with-"+row.dies.name+".example.com", row.dies.backend)
			waitStatus(t, addr, row.dies.prefix+"with-"+row.dies.name+".example.com", 200)
			stop()
		})
	}
}

// checkHalves makes sure that either cluster is served by its own, and test for nobody else than those allowed.
func checkHalves(t *testing.T, addr string) {
	t.Helper()
	for _, row := range []struct {
		from, host string
		status     int
		backend    string
	}{
		{"127.0.0.1", "shop.example.com", http.StatusOK, "live"},
		{"127.0.0.1", "test.shop.example.com", http.StatusOK, "test"},
		{outsider, "shop.example.com", http.StatusOK, "live"},
		{outsider, "test.shop.example.com", http.StatusForbidden, ""},
	} {
		status, backend := ask(t, dialFrom(t, row.from, addr), "GET / HTTP/1.1\r\nHost: "+row.host+"\r\n\r\n")
		if status != row.status || backend != row.backend {
			t.Errorf("%s asking for %s got %d from %q, want %d from %q", row.from, row.host, status, backend, row.status, row.backend)
		}
	}
}
