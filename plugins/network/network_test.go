package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/tools/lab"
)

// listen opens a shared listener as Caddy does.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := parsed.Listen(t.Context(), 0, net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 40 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return l.(net.Listener)
}

// freeAddress returns an address of 127.0.0.1 that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t))
}

func openSockets() int {
	open.Lock()
	defer open.Unlock()
	return len(open.sockets)
}

func TestGenerationsUnderLoadFailNoNewConnection(t *testing.T) {
	const generations = 150
	address := freeAddress(t)
	newcomers := map[*http.Server]*Newcomers{}
	serve := func(number int) *http.Server {
		n := NewNewcomers()
		server := &http.Server{ConnState: n.See, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%d %s", number, body)
		})}
		newcomers[server] = n
		go server.Serve(listen(t, "shared/"+address))
		return server
	}
	current := serve(0)

	var answered, repeated atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 6 {
		fresh := i < 3
		clients.Go(func() {
			transport := &http.Transport{DisableKeepAlives: fresh}
			defer transport.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				method := "GET"
				if fresh && n%2 == 1 {
					method = "POST" // which a client may not repeat by itself
				}
				request, err := http.NewRequest(method, "http://"+address+"/", strings.NewReader("body"))
				if err != nil {
					t.Error(err)
					return
				}
				response, err := transport.RoundTrip(request)
				if err != nil && !fresh {
					repeated.Add(1)
					request, _ = http.NewRequest(method, "http://"+address+"/", strings.NewReader("body"))
					response, err = transport.RoundTrip(request)
				}
				if err != nil {
					t.Errorf("request %d, fresh %t: %v", n, fresh, err)
					return
				}
				if body, err := io.ReadAll(response.Body); err != nil || !strings.HasSuffix(string(body), " body") {
					t.Errorf("request %d, fresh %t: body %q, %v", n, fresh, body, err)
				}
				response.Body.Close()
				answered.Add(1)
			}
		})
	}
	for n := range generations {
		next := serve(n + 1)
		time.Sleep(5 * time.Millisecond)
		newcomers[current].Wait(t.Context())
		if err := current.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		current = next
	}
	stop()
	clients.Wait()
	t.Logf("%d generations, %d requests answered, %d on kept connections repeated once", generations, answered.Load(), repeated.Load())
	current.Shutdown(t.Context())
	if n := openSockets(); n != 0 {
		t.Errorf("%d sockets are open after the last generation, want none", n)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the address is not free after the last generation: %v", err)
	}
	l.Close()
}

// acceptors accept on several listeners of an address and tell who did.
type acceptors struct {
	t        *testing.T
	address  string
	accepted chan net.Listener
}

// add opens one more listener.
func (a *acceptors) add() net.Listener {
	a.t.Helper()
	l := listen(a.t, "shared/"+a.address)
	a.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			a.accepted <- l
		}
	}()
	return l
}

// expect dials a few times and wants one listener to accept.
func (a *acceptors) expect(want net.Listener, why string) {
	a.t.Helper()
	for range 5 {
		c, err := net.Dial("tcp", a.address)
		if err != nil {
			a.t.Fatal(err)
		}
		defer c.Close()
		if got := <-a.accepted; got != want {
			a.t.Error(why)
		}
	}
}

func newAcceptors(t *testing.T) *acceptors {
	return &acceptors{t: t, address: freeAddress(t), accepted: make(chan net.Listener)}
}

func TestNewestListenerAcceptsAndAFailedOneLeaves(t *testing.T) {
	a := newAcceptors(t)
	old := a.add()
	failed := a.add()
	if err := failed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := failed.Close(); err == nil {
		t.Error("closing twice is no error")
	}
	if _, err := failed.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
	a.expect(old, "the old listener does not accept after the new one failed")
	newest := a.add()
	a.expect(newest, "the old listener accepts beside the new one")
}

func TestAListenerWaitsForItsConfigurationToStart(t *testing.T) {
	a := newAcceptors(t)
	g := Begin()
	first := a.add()
	a.expect(first, "the only listener does not accept")
	g.End()
	g = Begin()
	second := a.add()
	a.expect(first, "a listener accepts before its configuration has started")
	g.End()
	a.expect(second, "a listener does not accept after its configuration has started")
	g = Begin()
	failed := a.add()
	failed.Close()
	g.End()
	a.expect(second, "a configuration that failed took something with it")
}

func TestConnectionsInTheQueueSurviveTheirGeneration(t *testing.T) {
	address := freeAddress(t)
	old := listen(t, "shared/"+address)
	waiting := make([]net.Conn, 100)
	for i := range waiting {
		var err error
		if waiting[i], err = net.Dial("tcp", address); err != nil {
			t.Fatal(err)
		}
		defer waiting[i].Close()
	}
	newest := listen(t, "shared/"+address)
	defer newest.Close()
	old.Close()
	for range waiting {
		c, err := newest.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

func TestUnansweredConnectionsAreGivenBack(t *testing.T) {
	for _, c := range []struct {
		name        string
		before      string // sent and read before the listener ends
		after       string // sent and read after it
		write       bool
		wantReturns bool
	}{
		{name: "nothing sent", wantReturns: true},
		{name: "half a head", before: "POST / HTTP/1.1\r\nHost: a\r\n", wantReturns: true},
		{name: "a safe request", before: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", wantReturns: true},
		{name: "an unsafe request that a handler may have seen", before: "POST / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{name: "an unsafe request that no handler can have seen", after: "POST / HTTP/1.1\r\nHost: a\r\n\r\n", wantReturns: true},
		{name: "answered", before: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", write: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := freeAddress(t)
			old := listen(t, "shared/"+address)
			client, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := old.Accept()
			if err != nil {
				t.Fatal(err)
			}
			exchange := func(sent string) {
				io.WriteString(client, sent)
				if _, err := io.ReadFull(server, make([]byte, len(sent))); err != nil {
					t.Fatal(err)
				}
			}
			exchange(c.before)
			if c.write {
				io.WriteString(server, "x")
			}
			newest := listen(t, "shared/"+address)
			defer newest.Close()
			old.Close()
			exchange(c.after)
			server.Close()
			if _, err := server.Read(make([]byte, 1)); err == nil {
				t.Error("a closed connection reads")
			}
			if !c.wantReturns {
				client.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := io.Copy(io.Discard, client); err != nil {
					t.Errorf("the client sees %v, want the end", err)
				}
				return
			}
			again, err := newest.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			io.WriteString(client, "more")
			want := c.before + c.after + "more"
			got := make([]byte, len(want))
			if _, err := io.ReadFull(again, got); err != nil || string(got) != want {
				t.Errorf("the new generation reads %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestABlockedReaderLetsGo(t *testing.T) {
	address := freeAddress(t)
	old := listen(t, "shared/"+address)
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := old.Accept()
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		_, err := server.Read(make([]byte, 10))
		left <- err
	}()
	time.Sleep(20 * time.Millisecond)
	newest := listen(t, "shared/"+address)
	defer newest.Close()
	old.Close()
	server.Close()
	if err := <-left; err == nil {
		t.Error("the old reader got something")
	}
	again, err := newest.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	io.WriteString(client, "late")
	got := make([]byte, 4)
	if _, err := io.ReadFull(again, got); err != nil || string(got) != "late" {
		t.Errorf("the new generation reads %q, %v", got, err)
	}
}

func TestNameserverSocketsOutliveGenerations(t *testing.T) {
	address := freeAddress(t)
	udp, tcp, release, err := Nameserver(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := udp.(*net.UDPConn); !ok {
		t.Errorf("the packet connection is a %T, want *net.UDPConn", udp)
	}
	client, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	io.WriteString(client, "question")
	udp2, tcp2, release2, err := Nameserver(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	udp.Close()
	tcp.Close()
	release()
	got := make([]byte, 20)
	udp2.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, _, err := udp2.ReadFrom(got); err != nil || string(got[:n]) != "question" {
		t.Errorf("the new generation reads %q, %v", got[:n], err)
	}
	parsed, err := caddy.ParseNetworkAddress("shared/" + address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Listen(t.Context(), 0, net.ListenConfig{}); err == nil || !strings.Contains(err.Error(), "in use for DNS") {
		t.Errorf("an HTTP listener at the nameserver's address: %v, want a refusal", err)
	}
	udp2.Close()
	tcp2.Close()
	release2()
	if n := openSockets(); n != 0 {
		t.Errorf("%d sockets are open at the end, want none", n)
	}
}

func TestShareRewritesListenAddresses(t *testing.T) {
	t.Setenv("FAIRLEAD_TEST_PORT", "8081")
	app := &caddyhttp.App{Servers: map[string]*caddyhttp.Server{"a": {Listen: []string{
		":8080", "tcp/127.0.0.1:80", "tcp6/[::1]:8000-8010", "[::1]:443", "unix//run/a.sock", "fd/3", ":{env.FAIRLEAD_TEST_PORT}", "shared/:9000",
	}}}}
	for range 2 {
		if err := Share(app); err != nil {
			t.Fatal(err)
		}
	}
	want := "[shared/:8080 shared/127.0.0.1:80 shared6/[::1]:8000-8010 shared/[::1]:443 unix//run/a.sock fd/3 shared/:8081 shared/:9000]"
	if got := fmt.Sprint(app.Servers["a"].Listen); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPortRangesOpenOneSocketEach(t *testing.T) {
	first := listen(t, "shared/127.0.0.1:0") // to see that a range's offset counts from its start
	defer first.Close()
	base := first.Addr().(*net.TCPAddr).Port
	parsed, err := caddy.ParseNetworkAddress(fmt.Sprintf("shared/127.0.0.1:%d-%d", base, base+1))
	if err != nil {
		t.Fatal(err)
	}
	l, err := parsed.Listen(t.Context(), 1, net.ListenConfig{})
	if err != nil {
		t.Skipf("the next port is taken: %v", err)
	}
	defer l.(net.Listener).Close()
	if got := l.(net.Listener).Addr().(*net.TCPAddr).Port; got != base+1 {
		t.Errorf("port %d, want %d", got, base+1)
	}
}

func TestBareIsForConnectionsThatBelongToTheirServer(t *testing.T) {
	l := listen(t, "shared/"+freeAddress(t))
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	c := accepted.(*conn)
	if c.Bare() != nil {
		t.Error("bare before anything was written")
	}
	io.WriteString(c, "x")
	if _, ok := c.Bare().(*net.TCPConn); !ok {
		t.Errorf("bare is %T", c.Bare())
	}
}

// A listener whose socket is lent accepts nothing until it has it back.
func TestLentSocketsComeBack(t *testing.T) {
	address := freeAddress(t)
	l := listen(t, "shared/"+address).(*listener)
	defer l.Close()
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	fd, err := l.Lend()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case err := <-accepted:
		t.Fatalf("accepted what was for the borrower: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if got := l.Addr().String(); got != address {
		t.Errorf("its address is %s meanwhile", got)
	}
	syscall.Close(fd)
	l.Reclaim()
	select {
	case err := <-accepted:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the connection that waits is not accepted")
	}
}
