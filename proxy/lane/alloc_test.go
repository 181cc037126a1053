package lane_test

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/tools/lab/lanes"
)

// frugal is a member that allocates nothing for a request: it reads what comes, which must be whole requests, and answers.
func frugal(t testing.TB) string {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n" + strings.Repeat("x", 128))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buf := make([]byte, 4096); ; {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// browser are fields as browsers send them.
const browser = "GET /a/path?with=query HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0\r\n" +
	"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip, br\r\nCookie: a=b; c=d\r\nConnection: keep-alive\r\n" +
	"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n\r\n"

// asker is a client that allocates nothing for a request.
type asker struct {
	c       net.Conn
	request []byte
	buf     []byte
	size    int // of an answer
}

func newAsker(t testing.TB, d *door, request string) *asker {
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	a := &asker{c: c, request: []byte(request), buf: make([]byte, 4096)}
	if _, err := c.Write(a.request); err != nil {
		t.Fatal(err)
	}
	for text := ""; !strings.HasSuffix(text, strings.Repeat("x", 128)); a.size = len(text) {
		n, err := c.Read(a.buf)
		if err != nil {
			t.Fatal(err)
		}
		text += string(a.buf[:n])
		a.size = len(text)
	}
	return a
}

func (a *asker) ask(t testing.TB) {
	if _, err := a.c.Write(a.request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(a.c, a.buf[:a.size]); err != nil {
		t.Fatal(err)
	}
}

// quiet is a door that nobody watches.
func quiet(d *door) { d.site.Ended, d.site.Turned, d.site.Desk.Observer = nil, nil, nil }

// A request on a kept connection allocates nothing, with the client and the member in the same process.
func TestRequestsAllocateNothing(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for name, request := range map[string]string{
			"plain": getRequest, "ten fields": browser, "small body": "POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 5\r\n\r\nhello",
		} {
			d := newDoor(t, engine, nil, []string{frugal(t)}, quiet)
			a := newAsker(t, d, request)
			for range 100 {
				a.ask(t)
			}
			const times = 3000
			least := 1e9
			for range 3 { // the test's own machinery may be at work during one of them
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range times {
					a.ask(t)
				}
				runtime.ReadMemStats(&after)
				least = min(least, float64(after.Mallocs-before.Mallocs)/times)
			}
			t.Logf("%s: %.3f allocations per request", name, least)
			if least >= 0.05 && !racing {
				t.Errorf("%s: %.3f allocations per request", name, least)
			}
		}
	})
}

// BenchmarkRequest is a request on a kept connection, client and member included.
func BenchmarkRequest(b *testing.B) {
	for engine := range lanes.Engines {
		for name, request := range map[string]string{"plain": getRequest, "ten fields": browser} {
			b.Run(engine+"/"+name, func(b *testing.B) {
				d := newDoor(b, engine, nil, []string{frugal(b)}, quiet)
				a := newAsker(b, d, request)
				b.ReportAllocs()
				for b.Loop() {
					a.ask(b)
				}
			})
		}
	}
}

// A connection that waits for a request holds little.
func TestIdleConnectionsHoldLittle(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		const number = 400
		d := newDoor(t, engine, nil, []string{frugal(t)}, quiet, limited(lane.Limits{}, lane.Times{Idle: time.Minute}))
		inUse := func() int64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapInuse + m.StackInuse)
		}
		newAsker(t, d, getRequest)
		var all []net.Conn
		before := inUse()
		for range number {
			c, err := net.Dial("tcp", d.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			all = append(all, c)
			io.WriteString(c, getRequest)
		}
		var buf [512]byte
		for _, c := range all {
			c.Read(buf[:])
		}
		time.Sleep(50 * time.Millisecond)
		each := (inUse() - before) / number
		t.Logf("%d bytes each, the client's own end included", each)
		if each > 32<<10 {
			t.Errorf("an idle connection holds %d bytes", each)
		}
	})
}
