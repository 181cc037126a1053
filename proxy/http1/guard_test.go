package http1_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/http1"
)

// guardedServer is a net/http server behind a Guard.
func guardedServer(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Listener = &http1.Guard{Listener: s.Listener}
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func dial(t testing.TB, s *httptest.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func readBody(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// The corpus in one piece, and again byte by byte, since a violation may stand at any place of a read.
func TestGuardRefusesTheCorpus(t *testing.T) {
	for _, c := range corpus(t) {
		for _, pieces := range []string{"whole", "bytes"} {
			t.Run(c.name+"/"+pieces, func(t *testing.T) {
				s := guardedServer(t, readBody)
				conn := dial(t, s)
				go func() {
					if pieces == "whole" {
						io.WriteString(conn, c.bytes)
						return
					}
					for i := range len(c.bytes) {
						if _, err := io.WriteString(conn, c.bytes[i:i+1]); err != nil {
							return
						}
					}
				}()
				in := bufio.NewReader(conn)
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				if resp.StatusCode != c.status {
					t.Fatalf("answered %d, want %d", resp.StatusCode, c.status)
				}
				if c.status == http.StatusOK {
					return
				}
				if _, err := http.ReadResponse(in, nil); err == nil {
					t.Error("the connection went on after the refusal")
				}
			})
		}
	}
}

func TestGuardPassesWhatNetHTTPShouldAnswer(t *testing.T) {
	s := guardedServer(t, readBody)
	conn := dial(t, s)
	good := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	io.WriteString(conn, good+good+"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n")
	in := bufio.NewReader(conn)
	for i, want := range []int{200, 200, 200, 200, 400} {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("response %d: %v", i, err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != want {
			t.Fatalf("response %d is %d, want %d: earlier requests must be answered, in order", i, resp.StatusCode, want)
		}
	}
}

func TestGuardLetsTunnelsPass(t *testing.T) {
	s := guardedServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			return
		}
		c, in, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c, in)
	})
	conn := dial(t, s)
	in := bufio.NewReader(conn)
	offer := func(path string) int {
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if got := offer("/no"); got != http.StatusOK {
		t.Fatalf("an offer that is declined: %d", got)
	}
	if got := offer("/yes"); got != http.StatusSwitchingProtocols {
		t.Fatalf("an offer that is taken: %d", got)
	}
	anything := []byte("\x00\x01\r\n\n: \xff no HTTP at all\n")
	conn.Write(anything)
	got := make([]byte, len(anything))
	if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, anything) {
		t.Errorf("through the tunnel came %q, %v", got, err)
	}
}

// An offer that was declined leaves the connection guarded.
func TestGuardStaysAfterADeclinedOffer(t *testing.T) {
	s := guardedServer(t, readBody)
	conn := dial(t, s)
	in := bufio.NewReader(conn)
	for _, step := range []struct {
		request string
		status  int
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", 200},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	} {
		io.WriteString(conn, step.request)
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != step.status {
			t.Fatalf("%q: %v, %v", step.request, resp, err)
		}
	}
}

func TestGuardLetsHTTP2Pass(t *testing.T) {
	s := guardedServer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	client := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}}
	client.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	defer client.CloseIdleConnections()
	for range 2 {
		resp, err := client.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "HTTP/2.0" {
			t.Errorf("served as %q", body)
		}
	}
}

func TestGuardLimitsHeads(t *testing.T) {
	s := guardedServer(t, readBody)
	for _, c := range []struct{ name, request string }{
		{"long line", "GET /" + strings.Repeat("a", 70<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"long head", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 70) + "\r\n"},
		{"many fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: b\r\n", 300) + "\r\n"},
		{"long chunk line", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("a", 300) + "\r\nhello\r\n0\r\n\r\n"},
		{"long trailers", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 20) + "\r\n"},
	} {
		conn := dial(t, s)
		go io.WriteString(conn, c.request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v, %v", c.name, resp, err)
		}
	}
}

// BenchmarkGuardRead is what a Guard adds to reading one request of a browser.
func BenchmarkGuardRead(b *testing.B) {
	request := "GET /index.html?a=b HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0\r\n" +
		"Accept: text/html,application/xhtml+xml,*/*\r\nAccept-Encoding: gzip, br\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef\r\n" +
		"Sec-Fetch-Mode: navigate\r\nCache-Control: no-cache\r\n\r\n"
	l := &oneConn{conn: endless{text: request}}
	c, _ := (&http1.Guard{Listener: l}).Accept()
	buf := make([]byte, len(request))
	b.ReportAllocs()
	b.SetBytes(int64(len(request)))
	for b.Loop() {
		if n, err := c.Read(buf); n != len(buf) || err != nil || buf[0] != 'G' {
			b.Fatal(n, err)
		}
	}
}

type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) { return l.conn, nil }

// reading is a connection that is only read.
type reading struct {
	net.Conn
	io.Reader
}

func (r reading) Read(p []byte) (int, error) { return r.Reader.Read(p) }

// endless is one on which the same request comes again and again.
type endless struct {
	net.Conn
	text string
}

func (e endless) Read(p []byte) (int, error) { return copy(p, e.text), nil }

// hiding is what Caddy makes of a connection that knows its TLS state: net/http then finds HTTP/2 by its preface.
type hiding struct{ net.Listener }

func (l hiding) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, ok := c.(interface{ ConnectionState() tls.ConnectionState }); !ok {
		return nil, errors.New("the TLS state is lost")
	}
	return struct{ net.Conn }{c}, nil
}

func TestGuardBehindTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	certificate := httptest.NewTLSServer(nil)
	defer certificate.Close()
	config := certificate.TLS.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Listener = hiding{&http1.Guard{Listener: tls.NewListener(s.Listener, config)}}
	s.Start()
	defer s.Close()
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: proto == "HTTP/2.0"}
		client := &http.Client{Transport: transport}
		for range 2 {
			resp, err := client.Get(strings.Replace(s.URL, "http:", "https:", 1))
			if err != nil {
				t.Fatalf("%s: %v", proto, err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != proto {
				t.Errorf("served as %q, want %s", body, proto)
			}
		}
		transport.CloseIdleConnections()
	}
}

func TestGuardTellsOfHandshakes(t *testing.T) {
	certificate := httptest.NewTLSServer(nil)
	defer certificate.Close()
	failed := make(chan error, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(readBody))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Listener = hiding{&http1.Guard{
		Listener: tls.NewListener(s.Listener, certificate.TLS.Clone()),
		Unshaken: func(_ net.Addr, reason error) { failed <- reason },
	}}
	s.Start()
	defer s.Close()
	conn := dial(t, s)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "HTTPS") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if err := <-failed; err == nil {
		t.Error("no reason")
	}
}
