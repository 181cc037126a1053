package registrar

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

func TestRealRegisterUpdateDeregister(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	r := start(t, prompt(a))
	r.source.all(
		instance("shop.example.com", "shop-1", 8001, withTags("master", "v1")),
		instance("shop.example.com", "shop-2", 8002, func(i *discovery.Instance) { i.Address = "2001:db8::1"; i.Weights.Passing = 3 }),
		instance("db.example.com", "db-1", 9001, withHealth(discovery.Critical, "its HEALTHCHECK says unhealthy")),
	)
	expect(t, a, "shop-1: shop.example.com 127.0.0.1:8001 [master v1] passing", "shop-2: shop.example.com 2001:db8::1:8002 [] passing",
		"db-1: db.example.com 127.0.0.1:9001 [] critical")
	r.until(t, "agreement", settled(3))
	is := r.service(t, a, "shop-2")
	if is.Weights != (api.AgentWeights{Passing: 3, Warning: 1}) || is.Meta["owner"] != "test" || is.Meta["node_id"] == "" || is.Meta["container"] != "c-shop-2" {
		t.Errorf("registered as %+v", is)
	}

	// Another order of tags is another set of tags.
	r.source.all(
		instance("shop.example.com", "shop-1", 8001, withTags("v1", "master")),
		instance("db.example.com", "db-1", 9001),
	)
	expect(t, a, "shop-1: [v1 master] passing", "db-1: db.example.com 127.0.0.1:9001 [] passing")
	r.source.reports <- discovery.Update{Services: map[string]*discovery.Service{"db.example.com": {Name: "db.example.com"}}}
	expect(t, a, "shop-1: [v1 master] passing")
	r.source.all()
	expect(t, a)
	r.until(t, "nothing left to do", settled(0))
	if w := r.Status().Writes; w.Registered != 5 || w.Deregistered != 3 || w.Failed != 0 {
		t.Errorf("writes are %+v", w)
	}
}

// service returns what the agent has under an ID.
func (r *runner) service(t *testing.T, a *realconsul.Agent, id string) *api.AgentService {
	t.Helper()
	all, err := a.Client().Agent().Services()
	if err != nil {
		t.Fatal(err)
	}
	if all[id] == nil {
		t.Fatalf("the agent has no %s", id)
	}
	return all[id]
}

// TestRealSteadyState: 500 instances, a fifth of them with a check, and no write of any kind while nothing changes.
func TestRealSteadyState(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	var all []discovery.Instance
	for n := range 500 {
		i := instance(fmt.Sprintf("s%03d.example.com", n/5), fmt.Sprintf("s%03d-%d", n/5, n%5), port, withTags("b", "a"), withMeta("version", "1"))
		switch n % 5 {
		case 0:
			i.Meta["check_tcp"], i.Meta["check_interval"] = "true", "1s"
		case 1:
			i.Health, i.HealthNote = discovery.Critical, "its HEALTHCHECK has not passed yet"
		}
		all = append(all, i)
	}
	c := prompt(a)
	c.Logger = nil
	r := start(t, c)
	began := time.Now()
	r.source.all(all...)
	r.until(t, "500 services", settled(500))
	t.Logf("500 services registered in %s", time.Since(began).Round(time.Millisecond))
	eventually(t, "the checks to have run", func() error {
		_, meta, err := a.Client().Health().State("critical", nil)
		found, _, _ := a.Client().Health().State("passing", nil)
		if err != nil || len(found) != 101 {
			return fmt.Errorf("%d checks pass: %v, index %d", len(found), err, meta.LastIndex)
		}
		return nil
	})
	writes, before := r.Status().Writes, indexes(t, a)
	for range 5 {
		r.source.all(all...)
		time.Sleep(2 * c.Resync)
	}
	if after := indexes(t, a); !maps.Equal(before, after) {
		t.Errorf("Consul's indexes went from %v to %v", before, after)
	}
	if now := r.Status().Writes; now != writes {
		t.Errorf("writes went from %+v to %+v", writes, now)
	}
	if s := r.Status(); !settled(500)(s) {
		t.Errorf("status is %+v", s)
	}

	// A new life finds everything as it ought to be.
	r.stop()
	again := start(t, c)
	again.source.all(all...)
	again.until(t, "500 services again", settled(500))
	if after := indexes(t, a); !maps.Equal(before, after) {
		t.Errorf("a new life moved Consul's indexes from %v to %v", before, after)
	}
	if now := again.Status().Writes; now != (Writes{}) {
		t.Errorf("a new life wrote %+v", now)
	}
}

// TestRealChecksKeepWhatTheyFound: a change of tags, Meta or another check leaves a passing check passing, at every moment.
func TestRealChecksKeepWhatTheyFound(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(web.Close)
	port, err := strconv.Atoi(web.URL[strings.LastIndex(web.URL, ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	// The interval is so long that a check that lost its state would stay critical; the first run comes within it at random.
	checks := withMeta("check_http", "/health", "check_interval", "5s", "check_ttl", "1h")
	r := start(t, prompt(a))
	r.source.all(instance("shop", "shop-1", uint16(port), checks))
	expect(t, a, "shop-1: critical")
	if err := a.SetCheck("service:shop-1", api.HealthPassing); err != nil {
		t.Fatal(err)
	}
	expect(t, a, "shop-1: passing")

	ctx, cancel := context.WithCancel(context.Background())
	bad := make(chan string, 1)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		var index uint64
		for ctx.Err() == nil {
			found, meta, err := a.Client().Health().Service("shop", "", false, (&api.QueryOptions{WaitIndex: index}).WithContext(ctx))
			if err != nil {
				continue
			}
			index = meta.LastIndex
			for _, check := range found[0].Checks {
				if check.Status != api.HealthPassing {
					select {
					case bad <- fmt.Sprintf("%s was %s at index %d", check.CheckID, check.Status, index):
					default:
					}
				}
			}
		}
	}()
	r.source.all(instance("shop", "shop-1", uint16(port), checks, withTags("v2")))
	expect(t, a, "shop-1: [v2] passing")
	r.source.all(instance("shop", "shop-1", uint16(port), checks, withTags("v2"), withMeta("version", "2")))
	r.until(t, "the new Meta", settled(1))
	r.source.all(instance("shop", "shop-1", uint16(port), checks, withTags("v3"), withMeta("check_timeout", "20s", "check_http", "/other")))
	expect(t, a, "shop-1: [v3] passing")
	r.source.all(instance("shop", "shop-1", uint16(port), withMeta("check_http", "/other", "check_interval", "5s"), withTags("v4")))
	expect(t, a, "shop-1: [v4] passing")
	cancel()
	<-watched
	select {
	case what := <-bad:
		t.Error(what)
	default:
	}
	found, err := a.Client().Agent().Checks()
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found["service:shop-1:http"] == nil {
		t.Errorf("the checks left are %v", found)
	}
}

func TestRealGhosts(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{})
	c := prompt(a)
	first := start(t, c)
	first.source.all(instance("shop", "shop-1", 8001), instance("shop", "https.12345", 8002))
	first.until(t, "both services", settled(2))
	node := first.Status().NodeID
	first.stop()
	foreign := func(id, owner, node string) {
		t.Helper()
		if err := a.Register(&api.AgentServiceRegistration{ID: id, Name: "other", Port: 1, Meta: map[string]string{"owner": owner, "node_id": node}}); err != nil {
			t.Fatal(err)
		}
	}
	foreign("no-owner", "", "")
	foreign("other-owner", "somebody", node)
	foreign("other-node", "test", "elsewhere")
	foreign("wanted", "somebody", "elsewhere")

	c.Probation = time.Hour
	young := start(t, c)
	young.source.all(instance("shop", "shop-1", 8001), instance("shop", "wanted", 8003))
	young.until(t, "the ghost to be seen", func(s Status) bool { return s.Counts.Ghosts == 1 && s.Counts.Agreeing == 1 })
	time.Sleep(3 * c.Resync)
	expect(t, a, "shop-1: shop", "https.12345: shop", "no-owner: other", "other-owner: other", "other-node: other", "wanted: other")
	young.stop()

	c.Probation = 100 * time.Millisecond
	r := start(t, c)
	time.Sleep(3 * c.Probation)
	// Over it may be, but the source has not told everything yet.
	r.source.reports <- discovery.Update{Services: grouped([]discovery.Instance{instance("shop", "shop-1", 8001)})}
	r.until(t, "the ghost to be seen", func(s Status) bool { return s.Counts.Ghosts == 1 && s.Counts.Agreeing == 1 })
	r.source.all(instance("shop", "shop-1", 8001), instance("shop", "wanted", 8003))
	expect(t, a, "shop-1: shop", "no-owner: other", "other-owner: other", "other-node: other", "wanted: other")
	r.until(t, "the refusal", func(s Status) bool {
		return len(s.Items) == 1 && s.Items[0].ServiceID == "wanted" && strings.Contains(s.Items[0].Error, `"somebody"`)
	})
	r.source.all(instance("shop", "shop-1", 8001))
	r.until(t, "the end of the refusal", settled(1))
	expect(t, a, "shop-1: shop", "no-owner: other", "other-owner: other", "other-node: other", "wanted: other")
}
