package plugins_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/tools/lab"
)

// mixed serves a discovered domain beside a site that tells how its requests have come.
const mixed = `{
	servers {
		protocols h1 h2 h2c
		{SERVERS}
	}
	fairlead {
		cluster live {
			file {LIVE}
		}
		{STATE}
	}
}
http://told.example.com:{HTTPPORT} {
	respond "told {http.request.proto} {http.request.scheme} {http.request.remote} {http.request.uri}"
}
https://told.example.com:{HTTPSPORT} {
	tls internal
	respond "told {http.request.proto} {http.request.scheme} {http.request.remote} {http.request.tls.version} {http.request.tls.server_name}"
}
http://:{HTTPPORT} {
	fairlead
}
https://shop.example.com:{HTTPSPORT} {
	tls internal
	fairlead
}
`

// talk is a connection on which answers are read one after another.
type talk struct {
	net.Conn
	in *bufio.Reader
	t  *testing.T
}

// talkTo opens a connection, in clear or by TLS for a name.
func (s *site) talkTo(t *testing.T, tlsName string) *talk {
	t.Helper()
	var c net.Conn
	var err error
	if tlsName == "" {
		c, err = net.Dial("tcp", s.http)
	} else {
		c, err = tls.Dial("tcp", s.https, &tls.Config{ServerName: tlsName, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &talk{c, bufio.NewReader(c), t}
}

func (c *talk) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

func get(host, path string) string { return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }

// hear reads an answer and returns its status and body.
func (c *talk) hear() (int, string) {
	c.t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(body))
}

// hears reads an answer that must be 200 with a body of the given beginning.
func (c *talk) hears(beginning string) {
	c.t.Helper()
	if status, body := c.hear(); status != 200 || !strings.HasPrefix(body, beginning) {
		c.t.Errorf("answered %d %q, want %q", status, body, beginning)
	}
}

// newMixed loads mixed with a backend that answers with its name, and one that sends back what it gets.
func newMixed(t *testing.T, lane, servers string) *site {
	t.Helper()
	s := newSite(t)
	s.lane = lane
	shop := lab.StartBackend(t, "shop", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "shop %s %s %s %s", r.Method, r.RequestURI, r.Header.Get("X-Forwarded-For"), body)
	}))
	echo := lab.StartBackend(t, "echo", http.HandlerFunc(lab.Echo))
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}, "ws.example.com": {echo}, "told.example.com": {shop}})
	s.mustLoad(strings.Replace(mixed, "{SERVERS}", servers, 1))
	s.until("the certificates", func() bool {
		for _, name := range []string{"shop.example.com", "told.example.com"} {
			if _, err := s.handshake(name, "127.0.0.1"); err != nil {
				return false
			}
		}
		return true
	})
	return s
}

func TestConnectionsChangeSides(t *testing.T) {
	for _, lane := range engines {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", lane, secure), func(t *testing.T) {
				s := newMixed(t, lane, "")
				name := ""
				told := func(c *talk) string { return "told HTTP/1.1 http " + c.LocalAddr().String() }
				if secure {
					name = "shop.example.com"
					told = func(c *talk) string {
						return "told HTTP/1.1 https " + c.LocalAddr().String() + " tls1.3 shop.example.com"
					}
				}

				c := s.talkTo(t, name)
				for range 3 { // one after another
					c.say(get("shop.example.com", "/a"))
					c.hears("shop GET /a 127.0.0.1")
				}
				c.say(get("told.example.com", "/b"))
				c.hears(told(c))
				c.say(get("shop.example.com", "/c"))
				c.hears("shop GET /c 127.0.0.1")

				c = s.talkTo(t, name) // all at once
				c.say(get("shop.example.com", "/1") + "POST /2 HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 4\r\n\r\nbody" +
					get("told.example.com", "/3") + "POST /4 HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + get("told.example.com", "/5"))
				c.hears("shop GET /1")
				c.hears("shop POST /2 127.0.0.1 body")
				c.hears(told(c))
				c.hears("shop POST /4 127.0.0.1 hi")
				c.hears(told(c))

				c = s.talkTo(t, name) // in pieces
				for _, piece := range strings.SplitAfter(get("shop.example.com", "/1")+get("told.example.com", "/2")+get("shop.example.com", "/3"), "e") {
					c.say(piece)
					time.Sleep(time.Millisecond)
				}
				c.hears("shop GET /1")
				c.hears(told(c))
				c.hears("shop GET /3")
			})
		}
	}
}

func TestWhatTheLaneHandsOver(t *testing.T) {
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) {
			s := newMixed(t, lane, "")
			t.Run("Expect", func(t *testing.T) {
				for _, name := range []string{"", "shop.example.com"} {
					c := s.talkTo(t, name)
					c.say(get("shop.example.com", "/"))
					c.hears("shop GET /")
					c.say("POST /e HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
					if status, _ := c.hear(); status != 100 {
						t.Fatalf("answered %d, want 100", status)
					}
					c.say("late")
					c.hears("shop POST /e 127.0.0.1 late")
				}
			})
			t.Run("upgrade", func(t *testing.T) {
				c := s.talkTo(t, "")
				c.say("GET /ws HTTP/1.1\r\nHost: ws.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
				response, err := http.ReadResponse(c.in, nil)
				if err != nil || response.StatusCode != 101 {
					t.Fatalf("%v, %v", response, err)
				}
				for range 3 {
					c.say("hello")
					got := make([]byte, 5)
					if _, err := io.ReadFull(c.in, got); err != nil || string(got) != "hello" {
						t.Fatalf("echoed %q, %v", got, err)
					}
				}
			})
			t.Run("CONNECT", func(t *testing.T) {
				c := s.talkTo(t, "")
				c.say("CONNECT shop.example.com:80 HTTP/1.1\r\nHost: shop.example.com:80\r\n\r\n")
				if status, body := c.hear(); status < 400 {
					t.Errorf("answered %d %q", status, body)
				}
			})
			t.Run("HTTP/1.0", func(t *testing.T) {
				c := s.talkTo(t, "")
				c.say("GET /old HTTP/1.0\r\nHost: shop.example.com\r\n\r\n")
				c.hears("shop GET /old 127.0.0.1")
				if _, err := c.in.ReadByte(); err != io.EOF {
					t.Errorf("the connection is open: %v", err)
				}
			})
			t.Run("HTTP/2 in clear", func(t *testing.T) {
				transport := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, _ string, _ *tls.Config) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, s.http)
				}}
				defer transport.CloseIdleConnections()
				if got := fetch(t, transport, "http://told.example.com/x"); !strings.HasPrefix(got, "told HTTP/2.0 http ") {
					t.Errorf("answered %q", got)
				}
				if got := fetch(t, transport, "http://shop.example.com/x"); !strings.HasPrefix(got, "shop GET /x 127.0.0.1") {
					t.Errorf("answered %q", got)
				}
			})
			t.Run("HTTP/2", func(t *testing.T) {
				for host, want := range map[string]string{"told.example.com": "told HTTP/2.0 https 127.0.0.1:", "shop.example.com": "shop GET /x 127.0.0.1"} {
					transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: true}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
						return new(net.Dialer).DialContext(ctx, network, s.https)
					}}
					defer transport.CloseIdleConnections()
					if got := fetch(t, transport, "https://"+host+"/x"); !strings.HasPrefix(got, want) {
						t.Errorf("answered %q, want %q", got, want)
					}
				}
			})
			t.Run("clear text where TLS is spoken", func(t *testing.T) {
				c, err := net.Dial("tcp", s.https)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				io.WriteString(c, get("shop.example.com", "/"))
				if response, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || response.StatusCode != 400 {
					t.Errorf("answered %v, %v", response, err)
				}
			})
		})
	}
}

func fetch(t *testing.T, by http.RoundTripper, url string) string {
	t.Helper()
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := by.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestClientsBehindTheProxyProtocol are known by their own addresses on both sides.
func TestClientsBehindTheProxyProtocol(t *testing.T) {
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) {
			s := newMixed(t, lane, "listener_wrappers {\n proxy_protocol {\n timeout 5s\n allow 127.0.0.1/32\n }\n tls\n }")
			c := s.talkTo(t, "")
			c.say("PROXY TCP4 203.0.113.7 203.0.113.8 4711 80\r\n" + get("shop.example.com", "/a") + get("told.example.com", "/b"))
			c.hears("shop GET /a 203.0.113.7")
			c.hears("told HTTP/1.1 http 203.0.113.7:4711 /b")

			raw, err := net.Dial("tcp", s.https)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			io.WriteString(raw, "PROXY TCP4 203.0.113.7 203.0.113.8 4712 443\r\n")
			secured := tls.Client(raw, &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			c = &talk{secured, bufio.NewReader(secured), t}
			c.say(get("shop.example.com", "/a") + get("told.example.com", "/b"))
			c.hears("shop GET /a 203.0.113.7")
			c.hears("told HTTP/1.1 https 203.0.113.7:4712 tls1.3 shop.example.com")
		})
	}
}

// TestSlowHeadsEnd after the server's own time for them.
func TestSlowHeadsEnd(t *testing.T) {
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) {
			s := newMixed(t, lane, "timeouts {\n read_header 300ms\n idle 20s\n }")
			before := app.Current().Edge().Lane().Turned["head_timeout"]
			for _, name := range []string{"", "shop.example.com"} {
				c := s.talkTo(t, name)
				c.say(get("shop.example.com", "/"))
				c.hears("shop")
				time.Sleep(500 * time.Millisecond) // idle, which is allowed for longer
				c.say("GET / HTTP/1.1\r\nHo")
				began := time.Now()
				if _, err := io.Copy(io.Discard, c.in); err != nil {
					t.Errorf("the connection is still open: %v", err)
				}
				if took := time.Since(began); took < 100*time.Millisecond || took > 5*time.Second {
					t.Errorf("closed after %s", took)
				}
			}
			turned := app.Current().Edge().Lane().Turned["head_timeout"] - before
			if lane != "lane off" && turned != 2 {
				t.Errorf("%d are counted", turned)
			}
		})
	}
}

// TestMisdirectedRequests are refused where the names must agree.
func TestMisdirectedRequests(t *testing.T) {
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) {
			s := newMixed(t, lane, "strict_sni_host on")
			c := s.talkTo(t, "shop.example.com")
			served := app.Current().Edge().Lane().Served
			c.say(get("shop.example.com:443", "/"))
			c.hears("shop")
			if lane != "lane off" {
				s.laneHasServed(served + 1)
			}
			c.say(get("ws.example.com", "/"))
			if status, _ := c.hear(); status != 421 {
				t.Errorf("another host than asked for by TLS: %d", status)
			}
		})
	}
}
