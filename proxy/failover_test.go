package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// A master that stops listening hands over to its slave without a failed request: the first ones go to the slave after they were
// refused, and the following ones at once, since the master is out then. No check is configured.
func TestTheSlaveTakesOverFromAMasterThatRefusesConnections(t *testing.T) {
	master, slave := named(t, "master"), named(t, "slave")
	shared, from := NewShared(SharedOptions{}), &source{make(chan discovery.Update)}
	catalog := discovery.NewCatalog("live", []discovery.Source{from}, discovery.CatalogOptions{})
	e, err := New(shared, Config{Clusters: []Cluster{{
		ClusterConfig: pool.ClusterConfig{Name: "live", Defaults: pool.Settings{"priority_tags": "master=10,slave=9", "keepalive": "0"}},
		Catalog:       catalog,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	e.Prime()
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	for _, run := range []func(context.Context) error{catalog.Run, shared.Run, e.Run} {
		loops.Go(func() { run(ctx) })
	}
	t.Cleanup(func() { cancel(); loops.Wait() })
	db := &discovery.Service{Name: "db.example.com"}
	for name, server := range map[string]*httptest.Server{"master": master, "slave": slave} {
		at := netip.MustParseAddrPort(server.Listener.Addr().String())
		db.Instances = append(db.Instances, discovery.Instance{
			ID: discovery.InstanceID("live", "web", name), Cluster: "live", Node: "web", Service: db.Name, ServiceID: name,
			Address: at.Addr().String(), Port: at.Port(), Tags: []string{name},
		})
	}
	from.updates <- discovery.Update{Services: map[string]*discovery.Service{db.Name: db}, Complete: true}
	for e.Table().Load().Clusters[0].Exact[db.Name] == nil {
		time.Sleep(time.Millisecond)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := e.Serve(w, r, nil); refusal != nil {
			http.Error(w, refusal.Reason, refusal.Status)
		}
	}))
	t.Cleanup(front.Close)

	if byMaster, bySlave := burst(t, front, 200); byMaster != 200 || bySlave != 0 {
		t.Fatalf("before: %d requests were answered by the master, %d by the slave", byMaster, bySlave)
	}
	held, err := net.Dial("tcp", master.Listener.Addr().String()) // keeps the port from becoming somebody else's
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	burst(t, front, 1) // answered after that connection was accepted
	master.Listener.Close()
	if byMaster, bySlave := burst(t, front, 2000); byMaster != 0 || bySlave != 2000 {
		t.Errorf("after: %d requests were answered by the master, %d by the slave", byMaster, bySlave)
	}
	p := e.Table().Load().Clusters[0].Exact[db.Name]
	if p.Joined != 1 || !strings.Contains(p.Members[0].Reason, "connection refused") || p.Members[0].State != pool.Down {
		t.Errorf("the master is %s (%s); %s", p.Members[0].State, p.Members[0].Reason, p.Why)
	}
	if n := p.Meter.Retries.Load(); n == 0 || n > 100 {
		t.Errorf("%d retries, want a few", n)
	}
}

// named is a backend that answers with its name.
func named(t *testing.T, name string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, name)
	}))
	t.Cleanup(s.Close)
	return s
}

// burst sends GETs and POSTs by four clients at once, and returns who answered how many. Any other answer fails the test.
func burst(t *testing.T, front *httptest.Server, requests int) (byMaster, bySlave int64) {
	t.Helper()
	var left, masters, slaves atomic.Int64
	left.Store(int64(requests))
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				method, body := "GET", ""
				if n%2 == 1 {
					method, body = "POST", "written"
				}
				r, err := http.NewRequest(method, front.URL, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Host = "db.example.com"
				response, err := front.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				answer, err := io.ReadAll(response.Body)
				response.Body.Close()
				switch {
				case string(answer) == "master":
					masters.Add(1)
				case string(answer) == "slave":
					slaves.Add(1)
				default:
					t.Errorf("%s: %d %q, %v", method, response.StatusCode, answer, err)
				}
			}
		})
	}
	clients.Wait()
	return masters.Load(), slaves.Load()
}
