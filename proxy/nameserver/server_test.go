package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/proxy/pool"
)

// start serves world on one UDP and one TCP socket of the same port and returns their address, and what stops the server.
func start(t *testing.T, o Options, host string, wrap func(net.PacketConn) net.PacketConn) (address string, stop func()) {
	t.Helper()
	udp, tcp := listen(t, host)
	address = udp.LocalAddr().String()
	if wrap != nil {
		udp = wrap(udp)
	}
	table := pool.NewTable()
	table.Store(world())
	o.TTL = 3 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(table, o).Serve(ctx, []net.PacketConn{udp}, []net.Listener{tcp}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Serve returned %v", err)
			}
			closed(t, udp, tcp)
		case <-time.After(10 * time.Second):
			t.Error("Serve does not return")
		}
	})
	t.Cleanup(stop)
	return address, stop
}

// listen opens a UDP and a TCP socket of one free port.
func listen(t *testing.T, host string) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		tcp, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Skipf("needs the address %s: %v", host, err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp, tcp
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// closed checks that sockets are closed. It does not ask at their addresses, which may be somebody else's by now.
func closed(t *testing.T, sockets ...any) {
	t.Helper()
	for _, s := range sockets {
		if err := s.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%T is still open: %v", s, err)
		}
	}
}

func exchange(t *testing.T, network, address, ask string) *dns.Msg {
	t.Helper()
	client := &dns.Client{Net: network, Timeout: 5 * time.Second}
	m, _, err := client.Exchange(question(ask), address)
	if err != nil {
		t.Fatalf("%s by %s: %v", ask, network, err)
	}
	return m
}

type wrapped struct{ net.PacketConn }

func (w wrapped) Unwrap() net.PacketConn { return w.PacketConn }

type opaque struct{ net.PacketConn }

func TestServe(t *testing.T) {
	for _, c := range []struct {
		name, host string
		wrap       func(net.PacketConn) net.PacketConn
		ask        string // the address to ask, where it is another
	}{
		{name: "IPv4", host: "127.0.0.1"},
		{name: "IPv6", host: "::1"},
		{name: "wrapped socket", host: "127.0.0.1", wrap: func(c net.PacketConn) net.PacketConn { return wrapped{wrapped{c}} }},
		{name: "foreign socket", host: "127.0.0.1", wrap: func(c net.PacketConn) net.PacketConn { return opaque{c} }},
		{name: "all addresses, asked by a second one", host: "", ask: "127.0.0.9"},
		{name: "all IPv4 addresses", host: "0.0.0.0", ask: "127.0.0.9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, stop := start(t, Options{}, c.host, c.wrap)
			if c.ask != "" {
				_, port, _ := net.SplitHostPort(address)
				address = net.JoinHostPort(c.ask, port)
			}
			for _, network := range []string{"udp", "tcp"} {
				m := exchange(t, network, address, "shop.example.com. AAAA")
				if got := digest(t, m); got != "NOERROR aa\nshop.example.com. AAAA 2001:db8::1" {
					t.Errorf("by %s:\n%s", network, got)
				}
				m = exchange(t, network, address, "test.shop.example.com. A")
				if m.Rcode != dns.RcodeNameError {
					t.Errorf("an outsider gets %v by %s", m, network)
				}
			}
			if m := exchange(t, "udp", address, "many.example.com. A"); !m.Truncated {
				t.Error("300 addresses fit into one datagram")
			}
			if m := exchange(t, "tcp", address, "many.example.com. A"); len(m.Answer) != 300 {
				t.Errorf("%d of 300 addresses by TCP", len(m.Answer))
			}
			stop()
		})
	}
}

func TestServeFollowsTheTable(t *testing.T) {
	udp, tcp := listen(t, "127.0.0.1")
	table := pool.NewTable()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- New(table, Options{TTL: 3 * time.Second}).Serve(ctx, []net.PacketConn{udp}, []net.Listener{tcp})
	}()
	if m := exchange(t, "udp", udp.LocalAddr().String(), "shop.example.com. A"); m.Rcode != dns.RcodeRefused {
		t.Errorf("before: %v", m)
	}
	table.Store(world())
	if m := exchange(t, "udp", udp.LocalAddr().String(), "shop.example.com. A"); len(m.Answer) != 3 {
		t.Errorf("after: %v", m)
	}
	cancel()
	<-done
}

// A socket's two descriptors stand for two generations of a configuration that overlap: ending one is nothing to the other.
func TestTwoServersShareASocket(t *testing.T) {
	udp, _ := listen(t, "127.0.0.1")
	file, err := udp.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	twin, err := net.FilePacketConn(file)
	if err != nil {
		t.Fatal(err)
	}
	table := pool.NewTable()
	table.Store(world())
	server := New(table, Options{TTL: 3 * time.Second})
	address := udp.LocalAddr().String()
	oldCtx, endOld := context.WithCancel(t.Context())
	defer endOld()
	old := make(chan error, 1)
	go func() { old <- server.Serve(oldCtx, []net.PacketConn{udp}, nil) }()
	newCtx, endNew := context.WithCancel(t.Context())
	defer endNew()
	next := make(chan error, 1)
	go func() { next <- server.Serve(newCtx, []net.PacketConn{twin}, nil) }()
	for i := range 200 {
		if i == 100 {
			endOld()
			<-old
		}
		if m := exchange(t, "udp", address, "shop.example.com. A"); len(m.Answer) != 3 {
			t.Fatalf("question %d: %v", i, m)
		}
	}
	endNew()
	<-next
}

// Two servers on one and the same connection wake each other when one ends; the other goes on.
func TestADeadlineOfAnotherServerDoesNotStopReading(t *testing.T) {
	udp, _ := listen(t, "127.0.0.1")
	table := pool.NewTable()
	table.Store(world())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(table, Options{TTL: 3 * time.Second}).Serve(ctx, []net.PacketConn{udp}, nil) }()
	udp.SetReadDeadline(time.Now())
	time.Sleep(20 * time.Millisecond)
	udp.SetReadDeadline(time.Time{})
	if m := exchange(t, "udp", udp.LocalAddr().String(), "shop.example.com. A"); len(m.Answer) != 3 {
		t.Errorf("got %v", m)
	}
	cancel()
	<-done
}

func TestServeReportsWhatCannotWork(t *testing.T) {
	for want, o := range map[string]Options{
		"zone \"a..b\"":   {Zone: "a..b"},
		"zone \".\"":      {Zone: "."},
		"ttl 10s":         {TTL: 10 * time.Second},
		"ttl 1ms":         {TTL: time.Millisecond},
		"timeout -1s":     {Timeout: -time.Second},
		"retry -1s":       {Retry: -time.Second},
		"-1 readers":      {Readers: -1},
		"-1 connections":  {MaxConns: -1},
		"zone \"a b.\"":   {Zone: "a b."},
		"zone \"a.b:53\"": {Zone: "a.b:53"},
	} {
		err := o.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	udp, tcp := listen(t, "127.0.0.1")
	if err := New(pool.NewTable(), Options{Zone: "a..b"}).Serve(t.Context(), []net.PacketConn{udp}, []net.Listener{tcp}); err == nil || !strings.Contains(err.Error(), `"a..b"`) {
		t.Errorf("Serve with a bad zone: %v", err)
	}
	udp, tcp = listen(t, "127.0.0.1")
	udp.Close()
	if err := New(pool.NewTable(), Options{}).Serve(t.Context(), []net.PacketConn{udp}, []net.Listener{tcp}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve on a closed socket: %v", err)
	}
	closed(t, tcp)
}

func TestTCPAnswersSeveralQuestionsOfOneConnection(t *testing.T) {
	address, _ := start(t, Options{}, "127.0.0.1", nil)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	var questions []byte
	for i := range 3 {
		q := question("many.example.com. SRV")
		q.Id = uint16(i)
		packet := packed(t, q)
		questions = append(binary.BigEndian.AppendUint16(questions, uint16(len(packet))), packet...)
	}
	for _, b := range questions { // in the smallest pieces
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			t.Fatal(err)
		}
		reply := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, reply); err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil || m.Id != uint16(i) || len(m.Answer) != 300 {
			t.Fatalf("question %d: %v, %d answers of message %d", i, err, len(m.Answer), m.Id)
		}
	}
}

func TestTCPClosesWhatWaits(t *testing.T) {
	address, stop := start(t, Options{Timeout: 50 * time.Millisecond}, "127.0.0.1", nil)
	for name, text := range map[string]string{
		"silent":            "",
		"half a question":   "\x00\x20half",
		"too long":          "\xff\xff",
		"no query":          "\x00\x01x",
		"a response":        "\x00\x0c\x00\x01\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00",
		"empty message":     "\x00\x00",
		"length byte alone": "\x00",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(text))
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Errorf("%s: read %d bytes, %v", name, n, err)
		}
		conn.Close()
	}
	stop()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestTCPLimitsConnections(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	address, stop := start(t, Options{MaxConns: 2, Timeout: time.Minute, Logger: logger}, "127.0.0.1", nil)
	client := &dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	var held []*dns.Conn
	for range 2 {
		conn, err := client.Dial(address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, _, err := client.ExchangeWithConn(question("shop.example.com. A"), conn); err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	if _, _, err := client.Exchange(question("shop.example.com. A"), address); err == nil {
		t.Error("a third connection is answered")
	}
	held[0].Close()
	for try := 1; ; try++ { // until the server has seen the end of the first connection
		if _, _, err := client.Exchange(question("shop.example.com. A"), address); err == nil {
			break
		} else if try == 500 {
			t.Fatalf("the place of a closed connection is not given back: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if !strings.Contains(log.String(), "too many DNS connections") {
		t.Errorf("nothing is said of it: %s", log.String())
	}
}
