package lane_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// responses are what a member would say if it lived; of each, the part up to the end of its head, and what a client must make of it.
var responses = map[string]struct{ head, body, text string }{
	"sized":       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello", "hello"},
	"chunked":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 7\r\n\r\n", "hello"},
	"until close": {"HTTP/1.1 200 OK\r\n\r\n", "hello", "hello"},
}

// dying is a member that is asked for a kind of response, after how many bytes of it to die, and how.
func dying(t testing.TB) string {
	return scripted(t, func(c *wire) {
		part := strings.Split(c.target(), "/")
		if len(part) < 4 {
			return
		}
		r := responses[strings.ReplaceAll(part[1], "-", " ")]
		n, _ := strconv.Atoi(part[2])
		io.WriteString(c.Conn, (r.head + r.body)[:n])
		if part[3] == "reset" {
			c.reset()
		}
	})
}

// A member that dies after any byte of its response is answered for by a 502, or the client's response breaks off: never does what was
// cut look whole.
func TestMemberDiesAfterEveryByte(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, pool.Settings{"retries": "0"}, []string{dying(t)})
		for kind, r := range responses {
			for _, how := range []string{"end", "reset"} {
				t.Run(kind+" by "+how, func(t *testing.T) {
					var all sync.WaitGroup
					defer all.Wait()
					for n := range len(r.head) + len(r.body) + 1 {
						all.Go(func() { askDying(t, d, kind, n, how) })
						if n%16 == 0 {
							all.Wait()
						}
					}
				})
			}
		}
	})
}

func askDying(t *testing.T, d *door, kind string, n int, how string) {
	r := responses[kind]
	w := d.dial(t)
	defer w.Close()
	w.send(t, fmt.Sprintf("GET /%s/%d/%s HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", strings.ReplaceAll(kind, " ", "-"), n, how))
	resp, err := http.ReadResponse(w.Reader, nil)
	if err != nil {
		if n < len(r.head) {
			t.Errorf("after %d bytes: no response: %v", n, err)
		}
		return
	}
	body, err := io.ReadAll(resp.Body)
	whole := err == nil && resp.StatusCode == 200
	switch {
	case resp.StatusCode == 502:
		if word := resp.Header.Get("Fairlead-Reason"); err != nil || word != "broken_response" || len(body) > 0 {
			t.Errorf("after %d bytes: 502 %s %q %v", n, word, body, err)
		}
		if n == len(r.head)+len(r.body) && how == "end" {
			t.Errorf("the whole response is answered 502")
		}
	case resp.StatusCode != 200:
		t.Errorf("after %d bytes: %s", n, resp.Status)
	case !strings.HasPrefix(r.text, string(body)):
		t.Errorf("after %d bytes: got %q", n, body)
	case n < len(r.head):
		t.Errorf("after %d bytes, in the head: a 200", n)
	case kind == "until close":
		if whole != (how == "end") && n > len(r.head) {
			t.Errorf("after %d bytes by %s: %q, %v", n, how, body, err)
		}
	case whole != (n == len(r.head)+len(r.body)) && how == "end", whole && string(body) != r.text:
		t.Errorf("after %d bytes: %q, %v", n, body, err)
	}
}

// A large body goes past the machine, from socket to socket: it must break off as well.
func TestMemberDiesInLargeBody(t *testing.T) {
	const size = 1 << 20
	onEachEngine(t, func(t *testing.T, engine string) {
		member := scripted(t, func(c *wire) {
			n, _ := strconv.Atoi(strings.Trim(c.target(), "/"))
			fmt.Fprintf(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
			io.WriteString(c.Conn, strings.Repeat("x", n))
		})
		d := newDoor(t, engine, pool.Settings{"retries": "0"}, []string{member})
		for _, n := range []int{1, 300_000, size - 300_000, size - 1, size} {
			w := d.dial(t)
			w.send(t, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", n))
			resp, err := http.ReadResponse(w.Reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == 502 && n < size {
				continue // nothing had been sent
			}
			got, err := io.Copy(io.Discard, resp.Body)
			if (err == nil) != (n == size) || got > int64(n) {
				t.Errorf("after %d bytes: %d came, %v", n, got, err)
			}
			if n < size && !strings.Contains(next(t, d.ended).Problem, "broke its response off") {
				t.Errorf("after %d bytes: no problem was noted", n)
			} else if n == size {
				next(t, d.ended)
			}
		}
	})
}

// A member that falls silent, in its head or in its body, large or not, is given up after the time it has.
func TestMemberFallsSilent(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for _, c := range []struct {
			name, says string
			status     int
		}{
			{"at once", "", 504},
			{"in the head", "HTTP/1.1 200 OK\r\nContent-", 504},
			{"before the body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200},
			{"in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 200},
			{"in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", 200},
			{"in a body without length", "HTTP/1.1 200 OK\r\n\r\nhe", 200},
			{"in a large body", "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + strings.Repeat("x", 200_000), 200},
			{"far in a large body", "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + strings.Repeat("x", 1_000_000), 200},
		} {
			t.Run(c.name, func(t *testing.T) {
				quit := make(chan struct{})
				member := scripted(t, func(w *wire) {
					if w.head() != "" {
						io.WriteString(w.Conn, c.says)
						<-quit
					}
				})
				defer close(quit)
				d := newDoor(t, engine, pool.Settings{"retries": "0", "response_timeout": "300ms", "stall_timeout": "300ms"}, []string{member})
				w, start := d.dial(t), time.Now()
				w.send(t, getRequest)
				resp, err := http.ReadResponse(w.Reader, nil)
				if err != nil || resp.StatusCode != c.status {
					t.Fatalf("%v %v", resp, err)
				}
				if _, err := io.ReadAll(resp.Body); (err == nil) != (c.status == 504) {
					t.Errorf("the body ended with %v", err)
				}
				if took := time.Since(start); took < 250*time.Millisecond || took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
				unblamed := engine == "portable" && strings.Contains(c.name, "large") // there the kernel does not tell who was silent
				if failed := d.observer.failures(); len(failed) != 1 && !unblamed {
					t.Errorf("the observer was told %q", d.observer.failures())
				}
			})
		}
	})
}
