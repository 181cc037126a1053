package health

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

const addr = "10.0.0.1:8080"

// after lets time pass and returns the verdict on a member then.
func after(d time.Duration, b *Board, m *pool.Member) pool.Verdict {
	time.Sleep(d)
	synctest.Wait()
	return b.Verdicts()[m.ID()]
}

func TestTCPCheckFallsAndRises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s, b := newNetwork(), newSite(), NewBoard()
		m := s.member(addr)
		s.publish("", checking("shop.example.com", "tcp", nil, m))
		n.serve(addr, nil)
		stop := start(t, NewActive(b, n, 0), s)

		if v := after(11*time.Second, b, m); v.Down {
			t.Fatalf("down while it accepts: %+v", v)
		}
		n.down(addr)
		if v := after(20*time.Second, b, m); v.Down {
			t.Fatalf("down after two failures of three: %+v", v)
		}
		v := after(10*time.Second, b, m)
		if !v.Down || v.Ejected || v.Address != addr || v.Reason != "tcp 10.0.0.1:8080: dial: connection refused" {
			t.Fatalf("after three failures: %+v", v)
		}
		n.serve(addr, nil)
		if v := after(10*time.Second, b, m); !v.Down {
			t.Fatal("up after one success of two")
		}
		if v := after(10*time.Second, b, m); v.Down {
			t.Fatalf("down after two successes: %+v", v)
		}
		stop()
		if n.open != 0 {
			t.Errorf("%d connections were left open", n.open)
		}
	})
}

func TestHTTPCheck(t *testing.T) {
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) })
	}
	for name, c := range map[string]struct {
		pool, prefix string
		set          func(*pool.Spec)
		server       http.Handler
		want         string // in the reason; empty for up
	}{
		"200": {server: status(200)},
		"302 is not followed": {
			server: http.RedirectHandler("http://elsewhere.example.com/", http.StatusFound),
		},
		"503": {server: status(503), want: "GET /health of shop.example.com at 10.0.0.1:8080: status 503 instead of 200-399"},
		"own range": {
			set:    func(s *pool.Spec) { s.CheckStatusMin, s.CheckStatusMax = 401, 401 },
			server: status(401),
		},
		"silence": {want: "no answer within 1s"},
		"the host is the domain": {
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "shop.example.com" || r.URL.Path != "/health" || r.Method != "GET" {
					w.WriteHeader(500)
				}
			}),
		},
		"with the prefix": {
			prefix: "test.",
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "test.shop.example.com" {
					w.WriteHeader(500)
				}
			}),
		},
		"but once": {
			pool: "test.shop.example.com", prefix: "test.",
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "test.shop.example.com" {
					w.WriteHeader(500)
				}
			}),
		},
		"below a wildcard": {
			pool: "*.example.com",
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "example.com" {
					w.WriteHeader(500)
				}
			}),
		},
		"HTTP/2 in clear": {
			set: func(s *pool.Spec) { s.Protocol = "h2c" },
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != 2 {
					w.WriteHeader(500)
				}
			}),
		},
		"endless body": {
			server: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, endless{}) }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s, b := newNetwork(), newSite(), NewBoard()
				m, named := s.member(addr), "shop.example.com"
				if c.pool != "" {
					named = c.pool
				}
				n.serve(addr, c.server)
				s.publish(c.prefix, checking(named, "/health", c.set, m))
				stop := start(t, NewActive(b, n, 0), s)
				v := after(12*time.Second, b, m)
				stop()
				if v.Down != (c.want != "") || !strings.Contains(v.Reason, c.want) {
					t.Errorf("got %+v, want %q", v, c.want)
				}
				if n.open != 0 {
					t.Errorf("%d connections were left open", n.open)
				}
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestFollowsTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s, b := newNetwork(), newSite(), NewBoard()
		m, other := s.member(addr), s.member("10.0.0.2:8080")
		a := NewActive(b, n, 0)
		start(t, a, s)
		s.publish("", checking("shop.example.com", "tcp", nil, m))
		if v := after(10*time.Second, b, m); !v.Down {
			t.Fatal("a new member was not checked within its interval")
		}

		s.publish("", checking("shop.example.com", "tcp", nil, m, other))
		if v := after(10*time.Second, b, m); !v.Down {
			t.Fatal("a rebuilt pool lost the state of its checks")
		}
		if v := after(0, b, other); !v.Down {
			t.Fatal("a member that joined was not checked")
		}

		s.publish("", checking("shop.example.com", "/health", nil, m))
		if v := after(0, b, m); !v.Down {
			t.Fatal("another question made a member up before it was asked")
		}
		if v := after(0, b, other); v.Down {
			t.Fatalf("the verdict on a member that left stays: %+v", v)
		}
		n.serve(addr, http.NotFoundHandler())
		if v := after(10*time.Second, b, m); !strings.Contains(v.Reason, "status 404") {
			t.Fatalf("the first answer to the new question does not count: %+v", v)
		}

		s.publish("", checking("shop.example.com", "off", nil, m))
		if v := after(0, b, m); v.Down {
			t.Fatalf("down although its check was switched off: %+v", v)
		}
		asked := len(n.dials(addr))
		after(time.Minute, b, m)
		if len(n.dials(addr)) != asked || len(a.checks)+len(a.schedule)+len(a.pools) != 0 {
			t.Fatal("checks go on that nobody wants")
		}
	})
}

func TestMovedMemberIsAskedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s, b := newNetwork(), newSite(), NewBoard()
		m := s.member(addr)
		s.publish("", checking("shop.example.com", "tcp", nil, m))
		start(t, NewActive(b, n, 0), s)
		if v := after(10*time.Second, b, m); !v.Down {
			t.Fatal("not down")
		}
		moved := *m
		moved.Addr = "10.0.0.9:8080"
		s.publish("", checking("shop.example.com", "tcp", nil, &moved))
		if v := after(0, b, m); v.Down {
			t.Fatalf("the verdict on the old address holds at the new one: %+v", v)
		}
	})
}

// Two pools with the same question share the answer; with different ones the worst counts.
func TestMemberOfSeveralPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s, b := newNetwork(), newSite(), NewBoard()
		m := s.member(addr)
		n.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host == "b.example.com" {
				w.WriteHeader(503)
			}
		}))
		slow := checking("a.example.com", "tcp", nil, m)
		fast := checking("c.example.com", "tcp", func(s *pool.Spec) { s.CheckInterval = 2 * time.Second }, m)
		s.publish("", slow, fast)
		start(t, NewActive(b, n, 0), s)
		if v := after(20*time.Second, b, m); v.Down {
			t.Fatalf("down: %+v", v)
		}
		if asked := len(n.dials(addr)); asked < 9 || asked > 11 {
			t.Fatalf("asked %d times in 20 s, want once every 2 s for both pools", asked)
		}
		s.publish("", slow, fast, checking("b.example.com", "/", nil, m))
		if v := after(11*time.Second, b, m); !v.Down || !strings.Contains(v.Reason, "b.example.com") {
			t.Fatalf("one pool's failing check does not count: %+v", v)
		}
	})
}

func TestServiceWithoutDomain(t *testing.T) {
	s := newSite()
	site, redis := checking("shop.example.com", "/", nil), checking("redis", "tcp", nil)
	same := checking("shop", "/", nil)
	site.Service = "shop"
	s.table.Store(&pool.Snapshot{Clusters: []*pool.Cluster{{
		Exact:    map[string]*pool.Pool{"shop.example.com": site},
		Services: map[string]*pool.Pool{"shop": same, "redis": redis},
	}}})
	wanted := checked(s.table.Load())
	if _, ok := wanted[same]; ok || len(wanted) != 2 {
		t.Errorf("checked %d pools, want the domain's and that of the service without one", len(wanted))
	}
	if target := targetOf("test.", same, s.member(addr)); target.host != "shop" {
		t.Errorf("a service without a domain is asked for host %q", target.host)
	}
}

func TestChecksAreSpreadAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members, workers = 200, 4
		n, s, b := newNetwork(), newSite(), NewBoard()
		p := checking("shop.example.com", "/", nil)
		for i := range members {
			m := s.member(fmt.Sprintf("10.0.0.%d:80", i))
			p.Members = append(p.Members, m)
			n.serve(m.Addr, nil) // silent: each check lasts for its whole timeout
		}
		s.publish("", p)
		start(t, NewActive(b, n, workers), s)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n.most > workers {
			t.Errorf("%d checks at once, want at most %d", n.most, workers)
		}
		moments := map[time.Time]bool{}
		for _, m := range p.Members {
			if dials := n.dials(m.Addr); len(dials) < 4 {
				t.Errorf("%s was asked %d times: some are starved", m.Addr, len(dials))
			} else {
				moments[dials[0]] = true
			}
		}
		if len(moments) < members/8 {
			t.Errorf("first checks at %d moments only: they are not spread", len(moments))
		}
		if len(b.Verdicts()) != members {
			t.Errorf("%d verdicts, want %d", len(b.Verdicts()), members)
		}
	})
}

// A newer configuration takes over where the older one stops, with all it has found out.
func TestNextRunWaitsItsTurnAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, b := newNetwork(), NewBoard()
		a := NewActive(b, n, 0)
		old, next := newSite(), newSite()
		m := old.member(addr)
		n.serve(addr, nil)
		old.publish("", checking("shop.example.com", "/", nil, m))
		next.publish("", checking("shop.example.com", "/", nil, m))
		stop := start(t, a, old)
		if v := after(11*time.Second, b, m); !v.Down {
			t.Fatal("not down")
		}
		start(t, a, next)
		asked := len(n.dials(addr))
		after(40*time.Second, b, m)
		if more := len(n.dials(addr)) - asked; more != 4 {
			t.Fatalf("asked %d times in 40 s, want 4: two configurations check at once", more)
		}
		time.Sleep(500 * time.Millisecond)
		stop()
		if v := after(0, b, m); !v.Down {
			t.Fatal("the verdict did not outlive the configuration")
		}
		n.serve(addr, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		if v := after(21*time.Second, b, m); v.Down {
			t.Fatalf("the next configuration does not go on checking: %+v", v)
		}
	})
}
