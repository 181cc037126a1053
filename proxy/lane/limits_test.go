package lane_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

func limited(l lane.Limits, times lane.Times) option {
	return func(d *door) { d.site.Limits, d.site.Times = l, times }
}

func TestSlowClients(t *testing.T) {
	const short = 300 * time.Millisecond
	onEachEngine(t, func(t *testing.T, engine string) {
		type slow struct {
			name, says string
			trickle    string // sent every 20 ms behind it
			status     int    // of the answer, 0 for none
			turn       lane.Turn
		}
		for _, buffer := range []string{"65536", "0"} {
			for _, c := range []slow{
				{"silent", "", "", 0, ""},
				{"silent behind a request", "GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "", 200, ""},
				{"one byte of a head", "G", "", 0, lane.HeadTimeout},
				{"most of a head", "GET / HTTP/1.1\r\nHost: shop.exam", "", 0, lane.HeadTimeout},
				{"a head that trickles", "GET / HTTP/1.1\r\nHost: shop.example.com\r\nX: ", "a", 0, lane.HeadTimeout},
				{"no body", "POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 50000\r\n\r\n", "", 408, ""},
				{"part of a body", "POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 50000\r\n\r\nhello", "", 408, ""},
				{"a body that trickles", "POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 50000\r\n\r\nhello", "a", 408, ""},
				{"no chunk", "POST / HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n", "", 408, ""},
				{"part of a chunk", "POST / HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nhello", "", 408, ""},
				{"a chunk that trickles", "POST / HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nhello", "a", 408, ""},
				{"no last chunk", "POST / HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", 408, ""},
			} {
				t.Run(c.name+", buffer "+buffer, func(t *testing.T) {
					t.Parallel()
					d := newDoor(t, engine, pool.Settings{"stall_timeout": "300ms", "retry_buffer": buffer}, []string{scripted(t, func(c *wire) { new(lab.Recorder).Serve(c.Conn) })},
						limited(lane.Limits{BodyRate: 1000}, lane.Times{Head: short, Idle: short, BodyGrace: short, Linger: short}))
					w, start := d.dial(t), time.Now()
					w.send(t, c.says)
					stop := make(chan struct{})
					defer close(stop)
					if c.trickle != "" {
						go trickle(w, c.trickle, stop)
					}
					if c.status != 0 {
						if resp, _ := w.answer(t, "GET"); resp.StatusCode != c.status || resp.Close == (c.status == 200) {
							t.Errorf("answered %s, close %t", resp.Status, resp.Close)
						}
					}
					w.ended(t)
					if took := time.Since(start); took < short*9/10 || took > 15*time.Second {
						t.Errorf("it took %s", took)
					}
					if c.turn != "" {
						if why := next(t, d.turned); why != c.turn {
							t.Errorf("counted as %s", why)
						}
					}
				})
			}
		}
	})
}

// trickle sends more and more, until it fails.
func trickle(w *wire, what string, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := io.WriteString(w.Conn, what); err != nil {
			return
		}
	}
}

// A client that does not read makes its member wait, not us hold what it says; and after a time it is given up.
func TestClientThatDoesNotRead(t *testing.T) {
	const size = 256 << 20 // more than all the sockets' buffers, which the kernel lets grow
	onEachEngine(t, func(t *testing.T, engine string) {
		for _, kind := range []string{"sized", "chunked", "until close"} {
			t.Run(kind, func(t *testing.T) {
				var written atomic.Int64
				done := make(chan struct{})
				member := scripted(t, func(c *wire) {
					c.head()
					defer close(done)
					piece := strings.Repeat("x", 64<<10)
					switch kind {
					case "sized":
						fmt.Fprintf(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
					case "chunked":
						io.WriteString(c.Conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
						piece = "10000\r\n" + piece + "\r\n"
					default:
						io.WriteString(c.Conn, "HTTP/1.1 200 OK\r\n\r\n")
					}
					for written.Load() < size {
						n, err := io.WriteString(c.Conn, piece)
						written.Add(int64(n))
						if err != nil {
							return
						}
					}
				})
				d := newDoor(t, engine, pool.Settings{"stall_timeout": "700ms"}, []string{member})
				w := d.dial(t)
				w.send(t, getRequest)
				next(t, done)
				if n := written.Load(); n > size/2 {
					t.Errorf("the member could write %d bytes", n)
				}
				r := next(t, d.ended)
				if r.Problem == "" || r.Refusal != nil {
					t.Errorf("noted as %q, %v", r.Problem, r.Refusal)
				}
				if failed := d.observer.failures(); len(failed) > 0 {
					t.Errorf("the observer was told %q", failed)
				}
				resp, err := http.ReadResponse(w.Reader, nil)
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err == nil {
					t.Error("the body came to a proper end")
				}
			})
		}
	})
}

// A connection that was handed over counts until it is closed, and a drain does not wait for it.
func TestHandedOverConnectionsCount(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for name, limits := range map[string]lane.Limits{"in all": {Conns: 1}, "per client": {ConnsPerClient: 1}} {
			t.Run(name, func(t *testing.T) {
				d := newDoor(t, engine, nil, []string{answering(t, okResponse)}, limited(limits, lane.Times{}))
				d.dial(t).send(t, "GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n")
				h := next(t, d.handed)
				defer h.Close()
				eventually(t, func() string {
					if n := d.listener.Connections(); n != 0 {
						return fmt.Sprintf("%d connections", n)
					}
					return ""
				})
				second := d.dial(t)
				second.ended(t)
				next(t, d.turned)
				h.gone()
				h.gone()
				third := d.dial(t)
				third.send(t, getRequest)
				third.served(t)
			})
		}
	})
}

func TestConnectionLimits(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for name, c := range map[string]struct {
			limits lane.Limits
			why    lane.Turn
		}{
			"in all":     {lane.Limits{Conns: 2}, lane.TooManyConns},
			"per client": {lane.Limits{ConnsPerClient: 2}, lane.TooManyPerAddr},
		} {
			t.Run(name, func(t *testing.T) {
				d := newDoor(t, engine, nil, []string{answering(t, okResponse)}, limited(c.limits, lane.Times{}))
				var open []*wire
				for range 2 {
					w := d.dial(t)
					w.send(t, getRequest)
					w.served(t)
					open = append(open, w)
				}
				third := d.dial(t)
				third.ended(t)
				if why := next(t, d.turned); why != c.why {
					t.Errorf("counted as %s", why)
				}
				open[0].Close()
				eventually(t, func() string {
					if n := d.listener.Connections(); n != 1 {
						return fmt.Sprintf("%d connections", n)
					}
					return ""
				})
				fourth := d.dial(t)
				fourth.send(t, getRequest)
				fourth.served(t)
			})
		}
	})
}

// A drain ends idle connections at once, and the others with their response.
func TestDrain(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		release := make(chan struct{})
		member := scripted(t, func(c *wire) {
			for {
				switch c.target() {
				case "":
					return
				case "/slow":
					<-release
				case "/half":
					io.WriteString(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
					<-release
					io.WriteString(c.Conn, "k")
					continue
				}
				io.WriteString(c.Conn, okResponse)
			}
		})
		d := newDoor(t, engine, nil, []string{member})
		idle, fresh, slow, half, begun := d.dial(t), d.dial(t), d.dial(t), d.dial(t), d.dial(t)
		idle.send(t, getRequest)
		idle.served(t)
		slow.send(t, "GET /slow HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
		half.send(t, "GET /half HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
		begun.send(t, getRequest[:20])
		if resp, err := http.ReadResponse(half.Reader, nil); err != nil || resp.Close {
			t.Fatalf("%v %v", resp, err)
		}
		eventually(t, func() string {
			if n := d.pool().Meter.InFlight.Load(); n != 2 || d.listener.Connections() != 5 {
				return fmt.Sprintf("%d in flight", n)
			}
			return ""
		})
		time.Sleep(50 * time.Millisecond) // for the part of a head
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			d.listener.Drain(ctx)
		}()
		for _, w := range []*wire{idle, fresh} {
			if !w.ended(t) {
				t.Error("an idle connection was reset")
			}
		}
		begun.send(t, getRequest[20:])
		if resp, _ := begun.answer(t, "GET"); resp.StatusCode != 200 || !resp.Close {
			t.Errorf("a request that had begun: %s, close %t", resp.Status, resp.Close)
		}
		late := d.dial(t)
		late.ended(t)
		select {
		case <-drained:
			t.Error("drained while there are requests")
		default:
		}
		close(release)
		if resp, body := slow.answer(t, "GET"); body != "ok" || !resp.Close {
			t.Errorf("a running request: %q, close %t", body, resp.Close)
		}
		if rest, err := io.ReadAll(io.LimitReader(half.Reader, 2)); string(rest) != "ok" || err != nil {
			t.Errorf("a running response: %q, %v", rest, err)
		}
		half.ended(t)
		next(t, drained)
	})
}
