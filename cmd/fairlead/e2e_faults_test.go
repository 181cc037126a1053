package main_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// faultyLasts is how long each fault goes on after it was noticed.
const faultyLasts = time.Second

// TestFaultyConsulUnderLoad turns the Consul of a running edge faulty in one way after another. Whatever it does, no request fails,
// the doubt is told with its reason, and what was registered meanwhile and afterwards is served when the fault is over.
func TestFaultyConsulUnderLoad(t *testing.T) {
	agent := consul.Start(t, consul.Options{})
	faulty := startFaultyConsul(t, agent.HTTP)
	// The indexes must be high enough to fall.
	for i := range 200 {
		if _, err := agent.Client().KV().Put(&api.KVPair{Key: fmt.Sprint("k", i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	port := lab.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster live {
			consul %s {
				canary 1s
				timeout 2s
			}
		}
	}
}
http://:%d {
	fairlead
}
`, faulty.URL, port))
	backend := lab.StartBackend(t, "a", nil)
	register(t, agent, "shop.example.com", backend)
	register(t, agent, "shop.example.com", lab.StartBackend(t, "b", nil))
	waitStatus(t, addr, "shop.example.com", 200)
	waitCertain(t, e, "live")

	for i, row := range []struct {
		name   string
		fault  func() fault
		reason string
	}{
		{"black hole", func() fault { return fault{instead: blackHole} }, "no answer within"},
		{"a web page", func() fault { return fault{twist: saying("<html>log in</html>")} }, "invalid character"},
		{"cut short", func() fault { return fault{twist: cutShort} }, "unexpected EOF"},
		{"rights lost, told", func() fault { return fault{twist: denying(true)} }, "filtered by ACL"},
		{"rights lost, untold", func() fault { return fault{twist: denying(false)} }, "vanished although the index stands at"},
		{"500", func() fault { return fault{instead: refusing(500, "rpc error making call: EOF")} }, "Consul answers 500"},
		{"too many connections", func() fault {
			return fault{instead: refusing(429, "Your IP is issuing too many concurrent connections, please rate limit your calls")}
		}, "limits.http_max_conns_per_client"},
		{"too many requests", func() fault {
			return fault{instead: refusing(429, "rate limit exceeded, try again later or against a different server")}
		}, "limits.request_limits"},
		{"falling index", func() fault { return fault{twist: falling()} }, "index went backwards"},
		{"resets", func() fault { return fault{instead: reset} }, "connection reset"},
	} {
		t.Run(row.name, func(t *testing.T) {
			stop := underLoad(t, addr, "shop.example.com")
			faulty.turn(row.fault())
			noticed := waitDoubt(t, e, "live", row.reason)
			meanwhile, afterwards := fmt.Sprintf("meanwhile%d.example.com", i), fmt.Sprintf("afterwards%d.example.com", i)
			register(t, agent, meanwhile, backend)
			time.Sleep(faultyLasts)
			if up := membersUp(t, e, "shop.example.com"); up != 2 {
				t.Errorf("%d of 2 members take traffic", up)
			}
			faulty.turn(fault{})
			register(t, agent, afterwards, backend)
			over := waitStatus(t, addr, afterwards, http.StatusOK)
			waitStatus(t, addr, meanwhile, http.StatusOK)
			certain := waitCertain(t, e, "live")
			stop()
			t.Logf("in doubt after %v; over: a new domain served after %v, no doubt %v later", noticed, over, certain)
		})
	}
}
