//go:build linux && (amd64 || arm64)

package lane_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab/lanes"
)

func init() {
	others["one loop"] = func(t testing.TB, l *lane.Listener) string { return lanes.ServeByLoops(t, 1, listenRoomy(t), l) }
}

// listenRoomy listens for connections whose buffers hold a whole stream.
func listenRoomy(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	roomy(t, ln.(*net.TCPListener))
	return ln
}

// roomy gives a connection, or those of a listener, buffers that hold a whole stream.
func roomy(t testing.TB, c syscall.Conn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		for _, option := range []int{unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
			if e := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 64<<20); e != nil {
				err = e
			}
		}
	})
	if err != nil {
		t.Skipf("large buffers are for root: %v", err)
	}
}

// arrived is how much of a stream waits at its other end to be read.
func arrived(t testing.TB, c syscall.Conn) (n int) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// gate holds a loop up, so that what happens meanwhile is before it all at once, in that order.
type gate struct {
	reached, open chan struct{}
	late          chan []int   // what count returned when the late request's turn came
	count         func() []int // on the loop's goroutine
}

func newGate() *gate {
	return &gate{reached: make(chan struct{}), open: make(chan struct{}), late: make(chan []int, 1)}
}

func (g *gate) option(d *door) {
	serves := d.site.Serves
	d.site.Serves = func(host, sni string) bool {
		switch host {
		case "gate.example.com":
			close(g.reached)
			<-g.open
		case "late.example.com":
			g.late <- g.count()
		}
		return serves(host, sni)
	}
}

// around holds the loop up while before happens and then a late request comes, and returns what count found when that had its turn. So
// many connections are open.
func (g *gate) around(t *testing.T, d *door, open int, before func()) []int {
	t.Helper()
	closed, late := d.dial(t), d.dial(t)
	eventually(t, func() string {
		if n := d.listener.Connections(); n != open+2 {
			return fmt.Sprintf("%d connections, want %d", n, open+2)
		}
		return ""
	})
	closed.send(t, "GET / HTTP/1.1\r\nHost: gate.example.com\r\n\r\n")
	next(t, g.reached)
	before()
	late.send(t, "GET / HTTP/1.1\r\nHost: late.example.com\r\n\r\n")
	close(g.open)
	return next(t, g.late)
}

// Streams that could go on for long without a wait let a request that came after them have its turn.
func TestStreamsLetOthersHaveTheirTurn(t *testing.T) {
	const size, streams, most = 24 << 20, 3, 2 << 20
	piece := strings.Repeat("x", size)
	heads, send, sent := make(chan struct{}, streams), make(chan struct{}), make(chan struct{}, streams)
	uploads := make(chan *net.TCPConn, streams)
	members := listenRoomy(t)
	defer members.Close()
	go func() {
		for {
			c, err := members.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				switch newWire(c).target() {
				case "/down":
					heads <- struct{}{}
					<-send
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, piece)
					sent <- struct{}{}
				case "/up":
					uploads <- c.(*net.TCPConn)
				}
			}()
		}
	}()
	var ends []*net.TCPConn
	g := newGate()
	g.count = func() (all []int) {
		for _, c := range ends {
			all = append(all, arrived(t, c))
		}
		return all
	}
	d := newDoor(t, "one loop", nil, []string{members.Addr().String()}, g.option)
	var senders []*wire
	for range streams {
		down, up := d.dial(t), d.dial(t)
		roomy(t, down.Conn.(*net.TCPConn))
		roomy(t, up.Conn.(*net.TCPConn))
		down.send(t, "GET /down HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
		up.send(t, fmt.Sprintf("POST /up HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: %d\r\n\r\n", size))
		next(t, heads)
		ends = append(ends, down.Conn.(*net.TCPConn), next(t, uploads))
		senders = append(senders, up)
	}
	moved := g.around(t, d, 2*streams, func() {
		close(send)
		for _, up := range senders {
			next(t, sent)
			up.send(t, piece)
		}
	})
	if slices.Max(moved) > most {
		t.Errorf("a stream moved more than %d bytes before another request had its turn: %d", most, moved)
	}
	if slices.Max(moved) == 0 {
		t.Error("no stream had its turn before the request: nothing was shown")
	}
	for _, c := range ends {
		if n, err := io.CopyN(io.Discard, c, size); err != nil {
			t.Errorf("a stream ends after %d bytes: %v", n, err)
		}
	}
}

// A client that sends requests faster than they can be refused does not keep the others waiting.
func TestRefusalsLetOthersHaveTheirTurn(t *testing.T) {
	const requests, most = 50_000, 500
	release := make(chan struct{})
	member := scripted(t, func(c *wire) {
		c.head()
		<-release
	})
	var refused atomic.Int64
	g := newGate()
	g.count = func() []int { return []int{int(refused.Load())} }
	d := newDoor(t, "one loop", pool.Settings{"max_conns": "1", "queue": "0"}, []string{member}, g.option, func(d *door) {
		d.site.Ended = func(*lane.Record) { refused.Add(1) }
	})
	defer close(release)
	first, flood := d.dial(t), d.dial(t)
	first.send(t, getRequest)
	eventually(t, func() string {
		if d.pool().Meter.InFlight.Load() != 1 {
			return "the only place is free"
		}
		return ""
	})
	roomy(t, flood.Conn.(*net.TCPConn))
	before := g.around(t, d, 2, func() { flood.send(t, strings.Repeat(getRequest, requests)) })
	if before[0] == 0 || before[0] > most {
		t.Errorf("%d requests were refused before another had its turn", before[0])
	}
	for range requests {
		if resp, _ := flood.answer(t, "GET"); resp.StatusCode != 503 {
			t.Fatalf("answered %s", resp.Status)
		}
	}
}

// What a client goes on sending after its connection is over is dropped in turn with what others want, and only for a time.
func TestLingeringLetsOthersHaveTheirTurn(t *testing.T) {
	const size, most = 24 << 20, 2 << 20
	g := newGate()
	var left *os.File
	g.count = func() []int { return []int{arrived(t, left)} }
	d := newDoor(t, "one loop", nil, []string{answering(t, okResponse)}, g.option, limited(lane.Limits{}, lane.Times{Linger: 10 * time.Second}))
	w := d.dial(t)
	w.send(t, "GET") // so that its socket is there to be looked at
	roomy(t, w.Conn.(*net.TCPConn))
	dropped := size - g.around(t, d, 1, func() {
		left = farEnd(t, w.Conn)
		w.send(t, "\r\n\r\n"+strings.Repeat("x", size))
	})[0]
	if dropped <= 0 || dropped > most {
		t.Errorf("%d bytes were dropped before another request had its turn", dropped)
	}
	eventually(t, func() string {
		if n := arrived(t, left); n > 0 {
			return fmt.Sprintf("%d bytes are not dropped", n)
		}
		return ""
	})
}

// farEnd returns another descriptor of a connection's other end, which is in this process.
func farEnd(t testing.TB, c net.Conn) *os.File {
	t.Helper()
	near := c.LocalAddr().(*net.TCPAddr).Port
	for fd := range 10_000 {
		if peer, _ := unix.Getpeername(fd); peer != nil {
			if at, ok := peer.(*unix.SockaddrInet4); ok && at.Port == near {
				other, err := unix.Dup(fd)
				if err != nil {
					t.Fatal(err)
				}
				file := os.NewFile(uintptr(other), "far end")
				t.Cleanup(func() { file.Close() })
				return file
			}
		}
	}
	t.Fatal("the connection's other end is nowhere")
	panic("unreachable")
}

// A client that never stops sending after its connection is over is cut off in time.
func TestLingeringComesToItsEnd(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{answering(t, okResponse)}, limited(lane.Limits{}, lane.Times{Linger: 100 * time.Millisecond}))
		w := d.dial(t)
		w.send(t, "no request\r\n\r\n")
		rubbish := strings.Repeat("x", 1<<20)
		for sent := 0; ; sent++ {
			_, err := io.WriteString(w.Conn, rubbish)
			switch {
			case dispatch.IsTimeout(err):
				t.Fatalf("after %d MiB the connection is still open", sent)
			case err != nil:
				return
			}
		}
	})
}
