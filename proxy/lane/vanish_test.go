package lane_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
)

// A client that vanishes after any byte of its request leaves nothing behind, and is no member's fault.
func TestClientVanishesAfterEveryByte(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for _, buffer := range []string{"65536", "0"} {
			d := newDoor(t, engine, pool.Settings{"retry_buffer": buffer, "keepalive": "0s"}, []string{backendOf(t)})
			for name, request := range map[string]string{
				"sized":   "POST /p HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 5\r\n\r\nhello",
				"chunked": "POST /p HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			} {
				for _, how := range []string{"end", "reset"} {
					t.Run(fmt.Sprintf("%s by %s, buffer %s", name, how, buffer), func(t *testing.T) {
						before := heldNow()
						var all sync.WaitGroup
						for n := range len(request) + 1 {
							all.Go(func() {
								w := d.dial(t)
								w.send(t, request[:n])
								if how == "reset" {
									w.reset()
								}
								w.Close()
							})
							if n%16 == 0 {
								all.Wait()
							}
						}
						all.Wait()
						d.nothingHeld(t, before)
					})
				}
			}
			if failed := d.observer.failures(); len(failed) > 0 {
				t.Errorf("buffer %s: the observer was told %q", buffer, failed)
			}
		}
	})
}

// A client that vanishes somewhere in its response leaves nothing behind, and is no member's fault.
func TestClientVanishesInResponse(t *testing.T) {
	const size = 3 << 20
	body := strings.Repeat("x", size)
	onEachEngine(t, func(t *testing.T, engine string) {
		member := scripted(t, func(c *wire) {
			switch c.target() {
			case "/sized":
				fmt.Fprintf(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body)
			case "/chunked":
				fmt.Fprintf(c.Conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body)
			}
		})
		d := newDoor(t, engine, pool.Settings{"keepalive": "0s", "stall_timeout": "20s"}, []string{member})
		for _, target := range []string{"/sized", "/chunked"} {
			for _, how := range []string{"end", "reset"} {
				t.Run(target+" by "+how, func(t *testing.T) {
					before := heldNow()
					var all sync.WaitGroup
					for _, n := range []int64{0, 1, 60, 200, 70_000, 400_000, 1_500_000} {
						all.Go(func() {
							w := d.dial(t)
							w.send(t, "GET "+target+" HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
							io.CopyN(io.Discard, w.Conn, n)
							if how == "reset" {
								w.reset()
							}
							w.Close()
						})
					}
					all.Wait()
					d.nothingHeld(t, before)
				})
			}
		}
		if failed := d.observer.failures(); len(failed) > 0 {
			t.Errorf("the observer was told %q", failed)
		}
	})
}

// A client that breaks its connection while the member thinks ends the exchange, long before the member must have answered.
func TestClientVanishesWhileMemberThinks(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		asked, left := make(chan struct{}), make(chan struct{})
		member := scripted(t, func(c *wire) {
			c.target()
			close(asked)
			io.Copy(io.Discard, c)
			close(left)
		})
		d := newDoor(t, engine, nil, []string{member})
		w := d.dial(t)
		w.send(t, getRequest)
		<-asked
		w.reset()
		w.Close()
		select {
		case <-left:
		case <-time.After(10 * time.Second): // a sixth of what the member has
			t.Fatal("the member's connection is still open")
		}
		if r := next(t, d.ended); r.Status != dispatch.StatusClientGone {
			t.Errorf("recorded with %d", r.Status)
		}
	})
}

// held is what a process holds.
type held struct{ goroutines, descriptors int }

func heldNow() held {
	runtime.GC() // Go closes the pipes that it splices by when it collects them
	entries, _ := os.ReadDir("/proc/self/fd")
	return held{runtime.NumGoroutine(), len(entries)}
}

// nothingHeld checks that no more is held than before.
func (d *door) nothingHeld(t testing.TB, before held) {
	t.Helper()
	eventually(t, func() string {
		now := heldNow()
		switch {
		case d.listener.Connections() > 0:
			return fmt.Sprintf("%d connections are open", d.listener.Connections())
		case now.goroutines > before.goroutines:
			return fmt.Sprintf("%d goroutines run, %d before", now.goroutines, before.goroutines)
		case now.descriptors > before.descriptors+pipesKept:
			return fmt.Sprintf("%d descriptors, before %d", now.descriptors, before.descriptors)
		}
		return ""
	})
	d.idle(t)
}

// pipesKept is how many descriptors of pipes the engines under test may keep for later bodies.
const pipesKept = 32

// backendOf is a member that answers any request with a body, and closes its connection then.
func backendOf(t testing.TB) string {
	return scripted(t, func(c *wire) {
		head := c.head()
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		switch {
		case head == "":
			return
		case strings.Contains(head, "Content-Length: 5"):
			io.CopyN(io.Discard, c, 5)
		case strings.Contains(head, "chunked"):
			for line := ""; line != "0\r\n"; {
				var err error
				if line, err = c.ReadString('\n'); err != nil {
					return
				}
			}
			c.ReadString('\n')
		}
		io.WriteString(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	})
}
