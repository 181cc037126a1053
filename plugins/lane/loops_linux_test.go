//go:build linux && (amd64 || arm64)

package lane

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/plugins/network"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	door "github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/proxy/pool"
)

// unfit is a socket that cannot be lent, or whose descriptor is a file's, which epoll does not take.
type unfit struct {
	net.Listener
	file      string
	reclaimed atomic.Bool
}

func (u *unfit) Lend() (int, error) {
	if u.file == "" {
		return -1, errors.New("there is none to lend")
	}
	return syscall.Open(u.file, syscall.O_RDONLY|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
}
func (u *unfit) Reclaim()                    { u.reclaimed.Store(true) }
func (u *unfit) Own(c *net.TCPConn) net.Conn { return c }

var _ network.Socket = (*unfit)(nil)

// TestLoopsThatCannotAccept leave a server to goroutines, and say so.
func TestLoopsThatCannotAccept(t *testing.T) {
	ls, err := loops()
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"no descriptor": "", "epoll refuses": filepath.Join(t.TempDir(), "file")} {
		t.Run(name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer inner.Close()
			var log bytes.Buffer
			w := &Wrapper{loops: ls, log: slog.New(slog.NewTextHandler(&log, nil)), server: new(caddyhttp.Server)}
			socket := &unfit{Listener: inner, file: file}
			l := &listener{Listener: socket, wrapper: w, group: &group{lane: door.NewListener(&door.Site{
				Desk:   &dispatch.Desk{Table: pool.NewTable(), Transport: egress.New(egress.Options{})},
				Limits: door.Limits{Head: http1.Limits{Head: 100, Fields: 10}},
			})}}
			l.group.changed = sync.NewCond(&l.group.mu)
			if w.engine() != app.LaneLoop {
				t.Fatalf("the engine is %q", w.engine())
			}
			l.group.acceptByLoops(l)
			if l.group.stop != nil {
				l.group.stop() // returns when it is known whether they accept
			}
			if w.engine() != app.LanePortable || !strings.Contains(log.String(), "its portable engine serves") || socket.reclaimed.Load() != (file != "") {
				t.Errorf("the engine is %q, the socket taken back: %t\n%s", w.engine(), socket.reclaimed.Load(), &log)
			}

			go l.run()
			c, err := net.Dial("tcp", inner.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			awaitServing(t, true)
			answer := make([]byte, 100)
			if _, err := c.Write([]byte("no request\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 400 ") {
				t.Errorf("%q, %v", answer[:n], err)
			}
			c.Close()
			awaitServing(t, false)
		})
	}
}

// awaitServing waits until a goroutine of the portable engine serves a connection, or none does.
func awaitServing(t *testing.T, want bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var goroutines strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&goroutines, 1); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(goroutines.String(), "lane.(*Listener).Serve+") == want {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("a goroutine serves: %t\n%s", !want, &goroutines)
		}
	}
}
