package forward_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

// answering is a member that answers every request with its name.
func answering(t testing.TB, name string) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, name)
	})
}

// closing is a member that reads a whole head and closes, and counts how often.
func closing(t testing.TB, count *atomic.Int64) string {
	return rawBackend(t, func(c *wire) {
		if _, err := c.readHead(); err == nil {
			count.Add(1)
		}
	})
}

func TestRetries(t *testing.T) {
	noBudget := pool.Settings{"retry_budget": "0"}
	for _, c := range []struct {
		name     string
		settings pool.Settings
		dead     bool // the first member refuses connections, else it closes them unanswered
		method   string
		body     io.Reader
		status   int
		cause    dispatch.Cause
	}{
		{name: "GET after no answer", method: "GET", status: 200},
		{name: "GET after a refused connection", dead: true, method: "GET", status: 200},
		{name: "PUT with a small body", method: "PUT", body: strings.NewReader("hello"), status: 200},
		{name: "PUT with a streamed body", method: "PUT", body: io.MultiReader(strings.NewReader("hello")), status: 502, cause: dispatch.Broken},
		{name: "PUT with a body above the buffer", settings: pool.Settings{"retry_buffer": "4"}, method: "PUT", body: strings.NewReader("hello"), status: 502, cause: dispatch.Broken},
		{name: "POST after no answer", method: "POST", body: strings.NewReader("hello"), status: 502, cause: dispatch.Broken},
		{name: "POST after a refused connection", dead: true, method: "POST", body: strings.NewReader("hello"), status: 200},
		{name: "streamed POST after a refused connection", dead: true, method: "POST", body: io.MultiReader(strings.NewReader("hello")), status: 200},
		{name: "no budget", settings: noBudget, dead: true, method: "GET", status: 502, cause: dispatch.ConnectFailed},
		{name: "no retries", settings: pool.Settings{"retries": "0"}, dead: true, method: "GET", status: 502, cause: dispatch.ConnectFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tries atomic.Int64
			first := lab.DeadAddress(t)
			if !c.dead {
				first = closing(t, &tries)
			}
			p := newProxy(t, c.settings, []string{first, answering(t, "second")})
			p.pool().Meter.Turn.Store(0) // the first member's turn
			resp, body := p.do(t, p.request(c.method, "/", c.body))
			if resp.StatusCode != c.status || c.status == 200 && body != "second" {
				t.Fatalf("answered %d %q", resp.StatusCode, body)
			}
			if c.cause != "" {
				if refusal := <-p.refused; refusal.Cause != c.cause {
					t.Errorf("cause %s: %s", refusal.Cause, refusal.Reason)
				}
			}
			if n := len(p.observer.failed()); n != 1 {
				t.Errorf("%d failures were observed: %q", n, p.observer.failed())
			}
			if !c.dead && tries.Load() != 1 {
				t.Errorf("the first member was asked %d times", tries.Load())
			}
		})
	}
}

// Where the members of a group refuse connections, the next lower group has its turn; where one has taken the request, it has not.
func TestRetriesInLowerGroups(t *testing.T) {
	for _, c := range []struct {
		name             string
		settings         pool.Settings
		broken, dead     int // members of the higher group
		method           string
		streamed         bool
		status, attempts int
	}{
		{name: "GET", dead: 1, method: "GET", status: 200, attempts: 2},
		{name: "POST", dead: 1, method: "POST", status: 200, attempts: 2},
		{name: "streamed POST", dead: 1, method: "POST", streamed: true, status: 200, attempts: 2},
		{name: "two dead", dead: 2, method: "POST", status: 200, attempts: 3},
		{name: "over HTTP/2", settings: pool.Settings{"protocol": "h2c"}, dead: 1, method: "POST", status: 502, attempts: 2},
		{name: "more dead than retries", dead: 3, method: "GET", status: 502, attempts: 3},
		{name: "no budget", settings: pool.Settings{"retry_budget": "0"}, dead: 1, method: "GET", status: 502, attempts: 1},
		{name: "no answer", broken: 1, method: "GET", status: 502, attempts: 1},
		{name: "no answer, then dead", broken: 1, dead: 1, method: "GET", status: 502, attempts: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tries atomic.Int64
			var members []string
			for range c.broken {
				members = append(members, closing(t, &tries))
			}
			for range c.dead {
				members = append(members, lab.DeadAddress(t))
			}
			p := newProxy(t, c.settings, nil)
			p.slaves = 1
			p.publish(t, append(members, answering(t, "slave"))...)
			p.pool().Meter.Turn.Store(0) // the broken member's turn
			var body io.Reader = strings.NewReader("hello")
			if c.streamed {
				body = io.MultiReader(body)
			}
			resp, answer := p.do(t, p.request(c.method, "/", body))
			if resp.StatusCode != c.status || c.status == 200 && answer != "slave" {
				t.Errorf("answered %d %q, want %d", resp.StatusCode, answer, c.status)
			}
			if o := <-p.outcomes; o.Attempts != c.attempts {
				t.Errorf("%d attempts, want %d", o.Attempts, c.attempts)
			}
			refused := 0
			for _, reason := range p.observer.failed() {
				if strings.HasPrefix(reason, "refused: ") {
					refused++
				}
			}
			if want := min(c.dead, c.attempts-c.broken); refused != want {
				t.Errorf("%d refused connections were observed, want %d: %q", refused, want, p.observer.failed())
			}
		})
	}
}

func TestEveryMemberIsTriedOnce(t *testing.T) {
	var tries [4]atomic.Int64
	var members []string
	for i := range tries {
		members = append(members, closing(t, &tries[i]))
	}
	p := newProxy(t, pool.Settings{"retries": "3"}, members)
	if resp, _ := p.get(t); resp.StatusCode != 502 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	for i := range tries {
		if n := tries[i].Load(); n != 1 {
			t.Errorf("member %d was asked %d times", i, n)
		}
	}
	if o := <-p.outcomes; o.Attempts != 4 {
		t.Errorf("%d attempts noted", o.Attempts)
	}
}

func TestRetryBudget(t *testing.T) {
	p := newProxy(t, pool.Settings{"retry_budget": "20", "retries": "1"}, []string{lab.DeadAddress(t), answering(t, "b")})
	const requests = 300
	good := 0
	for range requests {
		if resp, _ := p.get(t); resp.StatusCode == 200 {
			good++
		}
	}
	retries := int(p.pool().Meter.Retries.Load())
	// A fifth of all requests, and the floor of ten with what time gave back to it.
	if least, most := requests/5, requests/5+10+5; retries < least || retries > most || good < retries {
		t.Errorf("%d retries for %d requests, %d good answers", retries, requests, good)
	}
}

// A connection that the member has closed while it was idle is no failure of the member.
func TestStaleConnections(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			var conns atomic.Int64
			addr := rawBackend(t, func(c *wire) {
				conns.Add(1)
				if _, err := c.readHead(); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") // and closes
			})
			p := newProxy(t, pool.Settings{"retries": "0"}, []string{addr})
			for i := range 5 {
				if resp, body := p.do(t, p.request(method, "/", nil)); resp.StatusCode != 200 || body != "ok" {
					t.Fatalf("request %d: %d %q", i, resp.StatusCode, body)
				}
				eventually(t, func() string {
					if p.Transport.Idles() != 1 {
						return "the connection was not kept"
					}
					return ""
				})
				time.Sleep(5 * time.Millisecond) // the member's FIN
			}
			if n := conns.Load(); n != 5 {
				t.Errorf("%d connections", n)
			}
			if failed := p.observer.failed(); len(failed) != 0 {
				t.Errorf("the member was blamed: %q", failed)
			}
		})
	}
}

// One that dies with the request on it is replaced if the request may be repeated, and only then.
func TestConnectionsThatDieWhenUsedAgain(t *testing.T) {
	for method, want := range map[string]int{"GET": 200, "POST": 502} {
		t.Run(method, func(t *testing.T) {
			addr := rawBackend(t, func(c *wire) {
				if _, err := c.readHead(); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				c.readHead()
			})
			p := newProxy(t, pool.Settings{"retries": "0"}, []string{addr})
			p.do(t, p.request(method, "/", nil))
			if resp, _ := p.do(t, p.request(method, "/", nil)); resp.StatusCode != want {
				t.Errorf("answered %d, want %d", resp.StatusCode, want)
			}
		})
	}
}
