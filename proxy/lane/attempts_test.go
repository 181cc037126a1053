package lane_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

const postRequest = "POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 5\r\n\r\nhello"

// refused checks the answer to a request that no member has answered.
func (w *wire) refused(t testing.TB, status int, word string) *http.Response {
	t.Helper()
	resp, body := w.answer(t, "GET")
	if resp.StatusCode != status || resp.Header.Get("Fairlead-Reason") != word || body != "" {
		t.Errorf("answered %d %s %q, want %d %s", resp.StatusCode, resp.Header.Get("Fairlead-Reason"), body, status, word)
	}
	return resp
}

func (w *wire) served(t testing.TB) {
	t.Helper()
	if resp, body := w.answer(t, "GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("answered %d %s %q", resp.StatusCode, resp.Header.Get("Fairlead-Reason"), body)
	}
}

func TestAnotherMemberIsTried(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		silent := scripted(t, func(c *wire) { io.Copy(io.Discard, c) })
		closing := scripted(t, func(c *wire) { c.head() })
		broken := answering(t, "HTTP/1.1 200 OK\r\nContent-")
		garbage := answering(t, "SSH-2.0-OpenSSH_9.9\r\n\r\n")
		full := answering(t, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno")
		for _, c := range []struct {
			name, bad, request string
			status             int // 200: the other member has answered
			word               string
			failures           int
		}{
			{"refuses connections, GET", lab.DeadAddress(t), getRequest, 200, "", 1},
			{"refuses connections, POST", lab.DeadAddress(t), postRequest, 200, "", 1},
			{"silent, GET", silent, getRequest, 200, "", 1},
			{"silent, POST", silent, postRequest, 504, "response_timeout", 1},
			{"closes, GET", closing, getRequest, 200, "", 1},
			{"closes, POST", closing, postRequest, 502, "broken_response", 1},
			{"cuts its head, GET", scripted(t, func(c *wire) { c.head(); io.WriteString(c.Conn, "HTTP/1.1 2") }), getRequest, 502, "broken_response", 1},
			{"silent in its head, GET", broken, getRequest, 504, "response_timeout", 1},
			{"speaks something else, GET", garbage, getRequest, 502, "broken_response", 1},
			{"answers 503, GET", full, getRequest, 503, "", 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				// The first choice of round robin is found out by asking until the bad one was met.
				d := newDoor(t, engine, pool.Settings{"response_timeout": "300ms", "eject_failures": "0"}, []string{c.bad, answering(t, okResponse)})
				for range 4 {
					w := d.dial(t)
					w.send(t, c.request)
					resp, body := w.answer(t, "GET")
					if len(d.observer.failures()) == 0 {
						continue // the good one was first
					}
					if resp.StatusCode != c.status || c.status == 200 && body != "ok" || resp.Header.Get("Fairlead-Reason") != c.word {
						t.Errorf("answered %d %s %q", resp.StatusCode, resp.Header.Get("Fairlead-Reason"), body)
					}
					if failed := d.observer.failures(); len(failed) != c.failures {
						t.Errorf("the observer was told %q", failed)
					}
					return
				}
				t.Error("the bad member was never chosen")
			})
		}
	})
}

func TestRetriesHaveABudget(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, pool.Settings{"retry_budget": "0", "eject_failures": "0"}, []string{lab.DeadAddress(t), lab.DeadAddress(t)})
		w := d.dial(t)
		w.send(t, getRequest)
		w.refused(t, 502, "connect_failed")
		if n := next(t, d.ended).Attempts; n != 1 {
			t.Errorf("%d attempts", n)
		}
		w.send(t, getRequest) // the connection goes on
		w.refused(t, 502, "connect_failed")
	})
}

// Kept connections that a member has closed, or closes under a request, are replaced where that does no harm.
func TestStaleConnections(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		var conns, posts atomic.Int32
		member := scripted(t, func(c *wire) {
			conns.Add(1)
			for first := true; ; first = false {
				head := c.head()
				switch {
				case head == "":
					return
				case strings.HasPrefix(head, "POST"):
					posts.Add(1)
					io.CopyN(io.Discard, c, 5)
				}
				if strings.Contains(head, "/close") && !first {
					return // under the request
				}
				io.WriteString(c.Conn, okResponse)
				if strings.Contains(head, "/idle") {
					return // as soon as it is kept
				}
			}
		})
		d := newDoor(t, engine, nil, []string{member})
		w := d.dial(t)
		ask := func(request string) {
			t.Helper()
			w.send(t, request)
			w.served(t)
		}
		ask(getRequest)
		ask(getRequest)
		if n := conns.Load(); n != 1 {
			t.Errorf("%d connections for two requests", n)
		}
		t.Run("closed while idle", func(t *testing.T) {
			for range 5 {
				ask("GET /idle HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
				time.Sleep(10 * time.Millisecond)
				ask(postRequest)
			}
		})
		t.Run("closed under a GET", func(t *testing.T) {
			ask(getRequest)
			ask("GET /close HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
		})
		t.Run("closed under a POST", func(t *testing.T) {
			ask(getRequest)
			before := posts.Load()
			w.send(t, "POST /close HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 5\r\n\r\nhello")
			w.refused(t, 502, "broken_response")
			if n := posts.Load() - before; n != 1 {
				t.Errorf("it was sent %d times", n)
			}
		})
	})
}

// What a member says without being asked answers nobody's request.
func TestMemberAnswersTwice(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		const wrong = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
		member := scripted(t, func(c *wire) {
			for {
				switch c.target() {
				case "":
					return
				case "/twice":
					io.WriteString(c.Conn, okResponse+wrong)
				case "/later":
					io.WriteString(c.Conn, okResponse)
					time.Sleep(20 * time.Millisecond)
					io.WriteString(c.Conn, wrong)
				case "/head":
					io.WriteString(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n"+wrong)
				case "/empty":
					io.WriteString(c.Conn, "HTTP/1.1 204 No Content\r\nContent-Length: 52\r\n\r\n"+wrong)
				case "/unchanged":
					io.WriteString(c.Conn, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"+wrong)
				default:
					io.WriteString(c.Conn, okResponse)
				}
			}
		})
		d := newDoor(t, engine, nil, []string{member})
		w := d.dial(t)
		for _, c := range []struct{ method, target string }{{"GET", "/twice"}, {"GET", "/later"}, {"HEAD", "/head"}, {"GET", "/empty"}, {"GET", "/unchanged"}} {
			w.send(t, c.method+" "+c.target+" HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
			if _, body := w.answer(t, c.method); body != "ok" && body != "" {
				t.Errorf("%s: %q", c.target, body)
			}
			time.Sleep(60 * time.Millisecond)
			w.send(t, getRequest)
			w.served(t)
		}
	})
}

func TestPlacesAndQueue(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		release := make(chan struct{})
		member := scripted(t, func(c *wire) {
			for {
				switch c.target() {
				case "":
					return
				case "/slow":
					<-release
				}
				io.WriteString(c.Conn, okResponse)
			}
		})
		settings := pool.Settings{"max_conns": "1", "queue": "1", "queue_timeout": "10s"}
		queued := func(d *door, n int64) {
			t.Helper()
			eventually(t, func() string {
				if got := d.pool().Meter.Queued.Load(); got != n {
					return fmt.Sprintf("%d requests wait, want %d", got, n)
				}
				return ""
			})
		}
		busy := func(t *testing.T, d *door) *wire {
			w := d.dial(t)
			w.send(t, "GET /slow HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
			eventually(t, func() string {
				if d.pool().Meter.InFlight.Load() == 0 {
					return "nothing is in flight"
				}
				return ""
			})
			return w
		}
		t.Run("waits its turn", func(t *testing.T) {
			d := newDoor(t, engine, settings, []string{member})
			first, second, third := busy(t, d), d.dial(t), d.dial(t)
			second.send(t, postRequest)
			queued(d, 1)
			third.send(t, getRequest)
			if resp := third.refused(t, 503, "queue_full"); resp.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			release <- struct{}{}
			first.served(t)
			second.served(t)
			next(t, d.ended)
			next(t, d.ended)
			if r := next(t, d.ended); r.Queued <= 0 || r.Refusal != nil {
				t.Errorf("queued for %s, refused %v", r.Queued, r.Refusal)
			}
		})
		t.Run("waits too long", func(t *testing.T) {
			d := newDoor(t, engine, pool.Settings{"max_conns": "1", "queue": "1", "queue_timeout": "100ms"}, []string{member})
			first, second := busy(t, d), d.dial(t)
			second.send(t, getRequest)
			second.refused(t, 503, "queue_timeout")
			release <- struct{}{}
			first.served(t)
			second.send(t, getRequest)
			second.served(t)
		})
		t.Run("its client leaves", func(t *testing.T) {
			d := newDoor(t, engine, settings, []string{member})
			first, second := busy(t, d), d.dial(t)
			second.send(t, getRequest)
			queued(d, 1)
			second.reset()
			second.Close()
			if engine == "loop" {
				queued(d, 0)
			}
			release <- struct{}{}
			first.served(t)
			queued(d, 0)
		})
		t.Run("its pool goes", func(t *testing.T) {
			d := newDoor(t, engine, settings, []string{member})
			first, second := busy(t, d), d.dial(t)
			second.send(t, getRequest)
			queued(d, 1)
			shop := d.pool()
			d.withdraw(t)
			second.refused(t, 404, "no_domain")
			release <- struct{}{}
			first.served(t)
			eventually(t, func() string { // the client has its answer before the place is given back
				if n := shop.Meter.InFlight.Load(); n != 0 {
					return fmt.Sprintf("%d in flight", n)
				}
				return ""
			})
		})
		t.Run("many", func(t *testing.T) {
			d := newDoor(t, engine, pool.Settings{"member_max_conns": "3", "queue": "100", "queue_timeout": "20s"}, []string{member})
			var all sync.WaitGroup
			for range 40 {
				all.Go(func() {
					w := d.dial(t)
					for range 5 {
						w.send(t, getRequest)
						w.served(t)
					}
				})
			}
			all.Wait()
		})
	})
}

func TestStickyClients(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		named := func(name string) string {
			return answering(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nSet-Cookie: own=1\r\n\r\n%s", len(name), name))
		}
		d := newDoor(t, engine, pool.Settings{"sticky": "fl"}, []string{named("one"), named("two")})
		w := d.dial(t)
		w.send(t, getRequest)
		resp, first := w.answer(t, "GET")
		cookies := resp.Cookies()
		if len(cookies) != 2 || cookies[1].Name != "fl" || cookies[1].Secure || !cookies[1].HttpOnly {
			t.Fatalf("cookies %v", resp.Header["Set-Cookie"])
		}
		for range 4 {
			w.send(t, "GET / HTTP/1.1\r\nHost: shop.example.com\r\nCookie: a=b\r\nCookie: fl="+cookies[1].Value+"\r\n\r\n")
			resp, body := w.answer(t, "GET")
			if body != first || len(resp.Cookies()) != 1 {
				t.Errorf("%s and then %s, cookies %v", first, body, resp.Header["Set-Cookie"])
			}
		}
	})
}
