package forward_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

// gate is a member whose requests wait until they are let go, one by one, and which notes their order.
type gate struct {
	arrived chan string
	release chan struct{}
	busy    atomic.Int64
	most    atomic.Int64
}

func newGate(t testing.TB) (*gate, string) {
	g := &gate{arrived: make(chan string, 100), release: make(chan struct{})}
	return g, backend(t, func(w http.ResponseWriter, r *http.Request) {
		n := g.busy.Add(1)
		defer g.busy.Add(-1)
		for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
		}
		g.arrived <- r.URL.Path
		select {
		case <-g.release:
		case <-r.Context().Done():
		}
	})
}

func TestLimitsAndQueue(t *testing.T) {
	for name, settings := range map[string]pool.Settings{
		"pool":   {"max_conns": "2", "queue": "3", "queue_timeout": "10s"},
		"member": {"member_max_conns": "2", "queue": "3", "queue_timeout": "10s"},
	} {
		t.Run(name, func(t *testing.T) {
			g, addr := newGate(t)
			p := newProxy(t, settings, []string{addr})
			var all sync.WaitGroup
			ask := func(path string) {
				all.Go(func() {
					if resp, _ := p.do(t, p.request("GET", path, nil)); resp.StatusCode != 200 {
						t.Errorf("%s: %d", path, resp.StatusCode)
					}
				})
			}
			ask("/1")
			<-g.arrived
			ask("/2")
			<-g.arrived
			for i := range 3 {
				ask(fmt.Sprintf("/queued%d", i))
				eventually(t, func() string {
					if n := p.pool().Meter.Queued.Load(); n != int64(i)+1 {
						return fmt.Sprintf("%d requests are queued, want %d", n, i+1)
					}
					return ""
				})
			}
			resp, _ := p.do(t, p.request("GET", "/toomany", nil))
			if refusal := <-p.refused; resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "10" || refusal.Cause != dispatch.QueueFull {
				t.Errorf("the fourth in the queue: %d, %+v", resp.StatusCode, refusal)
			}
			for i := range 3 {
				g.release <- struct{}{}
				if got, want := <-g.arrived, fmt.Sprintf("/queued%d", i); got != want {
					t.Errorf("%s was let in, want %s", got, want)
				}
			}
			g.release <- struct{}{}
			g.release <- struct{}{}
			all.Wait()
			if most := g.most.Load(); most != 2 {
				t.Errorf("%d requests at once", most)
			}
		})
	}
}

func TestQueueTimesOut(t *testing.T) {
	g, addr := newGate(t)
	p := newProxy(t, pool.Settings{"max_conns": "1", "queue_timeout": "30ms"}, []string{addr})
	var all sync.WaitGroup
	all.Go(func() { p.get(t) })
	<-g.arrived
	resp, _ := p.get(t)
	if refusal := <-p.refused; resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || refusal.Cause != dispatch.QueueTimeout {
		t.Errorf("%d, %+v", resp.StatusCode, refusal)
	}
	// One that leaves the queue leaves no trace.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if resp, err := p.Client().Do(p.request("GET", "/", nil).WithContext(ctx)); err == nil {
		resp.Body.Close()
	}
	g.release <- struct{}{}
	all.Wait()
	if len(p.observer.failed()) != 0 {
		t.Errorf("a member was blamed: %q", p.observer.failed())
	}
}

// Those who wait for a member that has gone are served by the one that has come.
func TestQueueFollowsTheSnapshot(t *testing.T) {
	g, addr := newGate(t)
	p := newProxy(t, pool.Settings{"member_max_conns": "1", "queue_timeout": "10s"}, []string{addr})
	var all sync.WaitGroup
	all.Go(func() { p.get(t) })
	<-g.arrived
	all.Go(func() {
		if _, body := p.get(t); body != "new" {
			t.Errorf("answered by %q", body)
		}
	})
	eventually(t, func() string {
		if p.pool().Meter.Queued.Load() != 1 {
			return "nobody is queued"
		}
		return ""
	})
	p.publish(t, addr, answering(t, "new"))
	p.Transport.Keep(p.Table.Load())
	eventually(t, func() string {
		if p.pool().Meter.Queued.Load() != 0 {
			return "somebody still waits"
		}
		return ""
	})
	g.release <- struct{}{}
	all.Wait()
}

func TestStickiness(t *testing.T) {
	members := []string{answering(t, "0"), answering(t, "1"), answering(t, "2")}
	for name, options := range map[string][]option{"h1": nil, "h2 over TLS": {overTLS(true)}} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, pool.Settings{"sticky": "srv"}, members, options...)
			resp, first := p.get(t)
			cookies := resp.Cookies()
			if len(cookies) != 1 {
				t.Fatalf("cookies: %v", cookies)
			}
			c := cookies[0]
			if c.Name != "srv" || c.Path != "/" || !c.HttpOnly || c.Secure != (options != nil) || c.SameSite != http.SameSiteLaxMode || strings.Contains(c.Value, "127") {
				t.Errorf("cookie: %v", c)
			}
			for range 5 {
				r := p.request("GET", "/", nil)
				r.AddCookie(&http.Cookie{Name: "other", Value: "1"})
				r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
				resp, body := p.do(t, r)
				if body != first || len(resp.Cookies()) != 0 {
					t.Errorf("then answered %q, after %q, with cookies %v", body, first, resp.Cookies())
				}
			}
			r := p.request("GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: "srv", Value: "0123456789abcdef"})
			if resp, _ := p.do(t, r); len(resp.Cookies()) != 1 {
				t.Error("a cookie of nobody was not replaced")
			}
		})
	}
}

func TestStickyClientsMoveOnWhenTheirMemberFails(t *testing.T) {
	dead := lab.DeadAddress(t)
	p := newProxy(t, pool.Settings{"sticky": "srv"}, []string{dead, answering(t, "alive")})
	r := p.request("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "srv", Value: balance.Token(p.pool().Members[0].ID())})
	resp, body := p.do(t, r)
	if cookies := resp.Cookies(); body != "alive" || len(cookies) != 1 || cookies[0].Value != balance.Token(p.pool().Members[1].ID()) {
		t.Errorf("%q, %v", body, cookies)
	}
}

// A draining member goes on serving those who are bound to it, even where nobody else is left.
func TestStickyClientsMayUseADrainingMember(t *testing.T) {
	p := newProxy(t, pool.Settings{"sticky": "srv"}, []string{answering(t, "old")})
	jar, _ := cookiejar.New(nil)
	home, _ := url.Parse("http://" + domain)
	resp, _ := p.get(t)
	jar.SetCookies(home, resp.Cookies())

	id := p.pool().Members[0].ID()
	facts := discovery.NoFacts("live")
	facts.Ready = true
	facts.Services[domain] = &discovery.Service{Name: domain, Instances: []discovery.Instance{*p.pool().Members[0].Instance}}
	next, _ := pool.Build(p.snapshot, pool.Input{Now: time.Now(), Meters: p.meters, Clusters: []pool.ClusterInput{{
		Config: pool.ClusterConfig{Name: "live", Defaults: p.settings}, Facts: facts,
		Overrides: map[string]pool.Override{id: {Instance: id, Action: pool.Drain, Address: p.pool().Members[0].Addr}},
	}}})
	p.Table.Store(next)
	if resp, _ := p.get(t); resp.StatusCode != 503 {
		t.Errorf("a new client got %d", resp.StatusCode)
	}
	r := p.request("GET", "/", nil)
	for _, c := range jar.Cookies(home) {
		r.AddCookie(c)
	}
	if resp, body := p.do(t, r); resp.StatusCode != 200 || body != "old" {
		t.Errorf("a bound client got %d %q", resp.StatusCode, body)
	}
}

func TestHashPolicies(t *testing.T) {
	members := []string{answering(t, "0"), answering(t, "1"), answering(t, "2"), answering(t, "3")}
	for on, change := range map[string]func(r *http.Request, i int){
		"header X-Key": func(r *http.Request, i int) { r.Header.Set("X-Key", fmt.Sprint(i)) },
		"cookie key":   func(r *http.Request, i int) { r.AddCookie(&http.Cookie{Name: "key", Value: fmt.Sprint(i)}) },
		"path":         func(r *http.Request, i int) { r.URL.Path = fmt.Sprint("/", i) },
		"client_ip":    func(r *http.Request, i int) { r.Header.Set("X-Forwarded-For", fmt.Sprint("192.0.2.", i)) },
	} {
		t.Run(on, func(t *testing.T) {
			p := newProxy(t, pool.Settings{"policy": "hash", "hash_on": on}, members, trusting)
			used := map[string]bool{}
			for i := range 20 {
				answers := map[string]bool{}
				for range 3 {
					r := p.request("GET", "/", nil)
					change(r, i)
					_, body := p.do(t, r)
					answers[body] = true
					used[body] = true
				}
				if len(answers) != 1 {
					t.Errorf("key %d went to %v", i, answers)
				}
			}
			if len(used) < 2 {
				t.Errorf("all keys went to %v", used)
			}
		})
	}
}

// A member that comes and goes is followed at once; connections to one that has gone are closed.
func TestMembersComeAndGo(t *testing.T) {
	a, b := answering(t, "a"), answering(t, "b")
	p := newProxy(t, nil, []string{a})
	if _, body := p.get(t); body != "a" {
		t.Fatalf("got %q", body)
	}
	p.publish(t, b)
	p.Transport.Keep(p.Table.Load())
	if n := p.Transport.Idles(); n != 0 {
		t.Errorf("%d idle connections to members that have gone", n)
	}
	if _, body := p.get(t); body != "b" {
		t.Errorf("got %q", body)
	}
}
