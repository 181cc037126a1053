package main_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/fairlead/fairlead/tools/lab"
)

// TestShortBodyOverHTTP3 ends a request's stream before its Content-Length, which QUIC lets a client do. The member, which answers all
// the same, gets nobody else's request on that connection.
func TestShortBodyOverHTTP3(t *testing.T) {
	const said, sent = 100_000, 70_000
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	behind := make(chan string, 1)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go answerEarly(c, sent, behind)
		}
	}()
	member := &lab.Backend{Name: "early", Port: ln.Addr().(*net.TCPAddr).Port}
	o := startOpen(t, map[string][]*lab.Backend{"early.example.com": {member}})

	request, err := http.NewRequest("POST", "https://early.example.com/short", io.MultiReader(strings.NewReader(strings.Repeat("a", sent))))
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = said // quic-go's client sends what there is
	if response, err := o.clients(t)["HTTP/3.0"].Do(request); err == nil {
		response.Body.Close()
		t.Logf("answered %s", response.Status)
	}
	if got := status(o.http, "early.example.com"); got != 200 {
		t.Errorf("the next client is answered %d", got)
	}
	if more := <-behind; more != "" {
		t.Errorf("behind the body the member saw %q", more)
	}
}

// answerEarly answers a request once it has so many bytes of its body, if it is a POST, and tells what comes behind.
func answerEarly(c net.Conn, sent int64, behind chan<- string) {
	defer c.Close()
	r := bufio.NewReader(c)
	request, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	if request.Method == "POST" {
		_, _ = io.CopyN(io.Discard, r, sent)
		time.Sleep(100 * time.Millisecond) // for the end of the stream to be seen
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	more, _ := io.ReadAll(r)
	if request.Method == "POST" {
		behind <- string(more)
	}
}

// TestEarlyDataIsNoWayIntoTheTestCluster sends requests with the first packets of a resumed QUIC connection, when nobody knows yet
// whether the address is the client's. An insider's is refused then, and a live one is told to its member.
func TestEarlyDataIsNoWayIntoTheTestCluster(t *testing.T) {
	w := startTwin(t)
	for _, c := range []struct {
		host  string
		later int
		early func(*http.Response) bool
	}{
		{"test.shop.example.com", 200, func(r *http.Response) bool { return r.StatusCode == http.StatusTooEarly }},
		{"shop.example.com", 200, func(r *http.Response) bool { return r.Header.Get("X-Early-Data") == "1" }},
	} {
		t.Run(c.host, func(t *testing.T) {
			resumed := &tls.Config{InsecureSkipVerify: true, ServerName: c.host, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if got := overQUIC(t, w.https, resumed, http.MethodGet); got.StatusCode != c.later {
				t.Fatalf("with a handshake: %s", got.Status)
			}
			// The handshake may be complete before the request is looked at.
			for range 50 {
				if c.early(overQUIC(t, w.https, resumed, http3.MethodGet0RTT)) {
					return
				}
			}
			t.Error("no request of fifty was treated as early data")
		})
	}
}

// overQUIC sends one request of an insider over a connection of its own, and leaves it when a session to resume has come.
func overQUIC(t *testing.T, address string, config *tls.Config, method string) *http.Response {
	t.Helper()
	packets, err := net.ListenPacket("udp", insider+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	from := &quic.Transport{Conn: packets}
	defer from.Close()
	transport := &http3.Transport{TLSClientConfig: config, Dial: func(ctx context.Context, _ string, tls *tls.Config, qc *quic.Config) (*quic.Conn, error) {
		to, err := net.ResolveUDPAddr("udp", address)
		if err != nil {
			return nil, err
		}
		return from.DialEarly(ctx, to, tls, qc)
	}}
	defer transport.Close()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+config.ServerName+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	response.Body.Close()
	time.Sleep(20 * time.Millisecond) // for the session ticket
	return response
}
