package egress_test

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/pool"
)

// peer accepts connections and hands them out.
type peer struct {
	addr  string
	conns chan net.Conn
}

func newPeer(t testing.TB) *peer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{addr: ln.Addr().String(), conns: make(chan net.Conn, 100)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.conns <- c
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
		close(p.conns)
		for c := range p.conns {
			c.Close()
		}
	})
	return p
}

func dial(t testing.TB, tr *egress.Transport, to egress.Target) *egress.Conn {
	t.Helper()
	c, err := tr.Dial(t.Context(), &to)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIdleConnectionsAreTakenNewestFirst(t *testing.T) {
	tr, p := egress.New(egress.Options{}), newPeer(t)
	to := egress.Target{ID: "a", Addr: p.addr}
	first, second := dial(t, tr, to), dial(t, tr, to)
	now := time.Now()
	tr.Put(first, now, time.Minute)
	tr.Put(second, now, time.Minute)
	if n := tr.Idles(); n != 2 {
		t.Fatalf("%d idle connections", n)
	}
	for _, other := range []egress.Target{{ID: "b", Addr: p.addr}, {ID: "a", Addr: "127.0.0.1:1"}} {
		if tr.Idle(&other, now, false) != nil {
			t.Errorf("%+v got a connection of %+v", other, to)
		}
	}
	if got := tr.Idle(&to, now, false); got != second || !got.Reused {
		t.Error("the connection used last was not the first to be taken")
	}
	if tr.Idle(&to, now, false) != first || tr.Idle(&to, now, false) != nil || tr.Idles() != 0 {
		t.Error("what was put does not come back once")
	}
	first.Close()
	second.Close()
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	tr, p := egress.New(egress.Options{IdlePerMember: 2, Idle: 3}), newPeer(t)
	for _, id := range []string{"a", "a", "a", "b", "b", "b"} {
		tr.Put(dial(t, tr, egress.Target{ID: id, Addr: p.addr}), time.Now(), time.Minute)
	}
	if n := tr.Idles(); n != 3 {
		t.Errorf("%d idle connections, want 3", n)
	}
	closed := 0
	for range 6 {
		c := <-p.conns
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
		c.Close()
	}
	if closed != 3 {
		t.Errorf("%d connections were closed, want the 3 there was no room for", closed)
	}
}

func TestWhatIsNotKept(t *testing.T) {
	tr, p := egress.New(egress.Options{}), newPeer(t)
	to := egress.Target{ID: "a", Addr: p.addr}
	tr.Put(dial(t, tr, to), time.Now(), 0)
	if tr.Idles() != 0 {
		t.Error("kept without a time")
	}
	<-p.conns
	c := dial(t, tr, to)
	(<-p.conns).Write([]byte("unasked"))
	if err := c.Reader.Fill(); err != nil {
		t.Fatal(err)
	}
	tr.Put(c, time.Now(), time.Minute)
	if tr.Idles() != 0 {
		t.Error("kept with unread bytes")
	}
	c = dial(t, tr, to)
	c.Abort()
	tr.Put(c, time.Now(), time.Minute)
	if tr.Idles() != 0 {
		t.Error("kept though it was aborted")
	}
	c = dial(t, tr, to)
	now := time.Now()
	tr.Put(c, now, time.Second)
	if tr.Idle(&to, now.Add(2*time.Second), false) != nil {
		t.Error("taken after its time")
	}
}

// Where it has to be sure, Idle returns no connection that has ended or says something.
func TestIdleConnectionsAreLookedAt(t *testing.T) {
	for name, change := range map[string]func(net.Conn){
		"closed": func(c net.Conn) { c.Close() }, "reset": func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"talking": func(c net.Conn) { c.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n")) }, "silent": func(net.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			tr, p := egress.New(egress.Options{}), newPeer(t)
			to := egress.Target{ID: "a", Addr: p.addr}
			c := dial(t, tr, to)
			tr.Put(c, time.Now(), time.Minute)
			other := <-p.conns
			defer other.Close()
			change(other)
			time.Sleep(20 * time.Millisecond)
			got := tr.Idle(&to, time.Now(), true)
			if (got == c) != (name == "silent") {
				t.Errorf("got %v", got)
			}
			if got != nil {
				got.Close()
			}
		})
	}
}

func TestRunClosesWhatExpires(t *testing.T) {
	tr, p := egress.New(egress.Options{Sweep: time.Millisecond}), newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- tr.Run(ctx) }()
	tr.Put(dial(t, tr, egress.Target{ID: "short", Addr: p.addr}), time.Now(), 5*time.Millisecond)
	tr.Put(dial(t, tr, egress.Target{ID: "long", Addr: p.addr}), time.Now(), time.Minute)
	ended := func() {
		t.Helper()
		c := <-p.conns
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a connection was left open")
		}
	}
	ended()
	if n := tr.Idles(); n != 1 {
		t.Errorf("%d idle connections, want the one with time left", n)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	ended()
}

func TestKeepClosesConnectionsOfMembersThatHaveGone(t *testing.T) {
	tr, p := egress.New(egress.Options{}), newPeer(t)
	member := func(id, addr string, state pool.State) *pool.Member {
		return &pool.Member{Instance: &discovery.Instance{ID: id}, Addr: addr, State: state}
	}
	s := &pool.Snapshot{Clusters: []*pool.Cluster{{Services: map[string]*pool.Pool{"s": {Members: []*pool.Member{
		member("active", p.addr, pool.Active), member("draining", p.addr, pool.Draining), member("down", p.addr, pool.Down),
		member("moved", "127.0.0.1:1", pool.Active),
	}}}}}}
	for _, id := range []string{"active", "draining", "down", "moved", "gone"} {
		tr.Put(dial(t, tr, egress.Target{ID: id, Addr: p.addr}), time.Now(), time.Minute)
	}
	tr.Keep(s)
	for id, kept := range map[string]bool{"active": true, "draining": true, "down": false, "moved": false, "gone": false} {
		c := tr.Idle(&egress.Target{ID: id, Addr: p.addr}, time.Now(), false)
		if (c != nil) != kept {
			t.Errorf("%s: kept is %v", id, c != nil)
		}
		if c != nil {
			c.Close()
		}
	}
}

func TestExtendIsNeverEarly(t *testing.T) {
	tr, p := egress.New(egress.Options{}), newPeer(t)
	c := dial(t, tr, egress.Target{ID: "a", Addr: p.addr})
	defer c.Close()
	const patience = 80 * time.Millisecond
	begin := time.Now()
	c.ExtendRead(begin, patience)
	c.ExtendRead(begin.Add(5*time.Millisecond), patience) // near enough not to be moved
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < patience+5*time.Millisecond {
		t.Errorf("failed after %s", d)
	}
	c.ReadSoon(time.Now(), time.Minute)
	(<-p.conns).Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("after the limit was moved: %v", err)
	}
	c.Abort()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("read after Abort")
	}
	c.ExtendRead(time.Now(), time.Hour)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("read after Abort and a new limit")
	}
}

func BenchmarkIdle(b *testing.B) {
	tr, p := egress.New(egress.Options{}), newPeer(b)
	to := egress.Target{ID: "live/web/shop-1", Addr: p.addr}
	tr.Put(dial(b, tr, to), time.Now(), time.Hour)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		tr.Put(tr.Idle(&to, now, false), now, time.Hour)
	}
}
