package forward_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/pool"
)

// switching is a member that takes any upgrade, with some bytes right behind its answer, and then does what then does.
func switching(t testing.TB, then func(c *wire)) string {
	return rawBackend(t, func(c *wire) {
		head, err := c.readHead()
		if err != nil {
			return
		}
		accept := ""
		for line := range strings.SplitSeq(head, "\r\n") {
			if name, value, _ := strings.Cut(line, ": "); name == "Sec-WebSocket-Key" || name == "Sec-Websocket-Key" {
				sum := sha1.Sum([]byte(value + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
				accept = "Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
			}
		}
		if !strings.Contains(head, "Connection: Upgrade\r\n") || !strings.Contains(strings.ToLower(head), "upgrade: websocket\r\n") {
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nUpgrade: WebSocket\r\n"+accept+"X-Own: 1\r\n\r\nwelcome")
		then(c)
	})
}

func echo(c *wire) { io.Copy(c.Conn, c.Reader) }

// closeWrite ends the sending side.
func (w *wire) closeWrite() error { return w.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// upgraded opens a tunnel through the proxy.
func upgraded(t testing.TB, c *wire) {
	t.Helper()
	// The client may not send anything before the answer, but some do.
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", domain)
	head, err := c.readHead()
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("answered %q, %v", head, err)
	}
	for _, line := range []string{"Connection: Upgrade\r\n", "Upgrade: WebSocket\r\n", "X-Own: 1\r\n", "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"} {
		if !strings.Contains(head, line) {
			t.Errorf("%q is not in %q", line, head)
		}
	}
	welcome := make([]byte, 7)
	if _, err := io.ReadFull(c, welcome); err != nil || string(welcome) != "welcome" {
		t.Fatalf("first came %q, %v", welcome, err)
	}
}

// dialTLS opens a raw TLS connection for HTTP/1.1 to the proxy.
func (p *proxy) dialTLS(t testing.TB) *wire {
	t.Helper()
	c, err := tls.Dial("tcp", p.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{Conn: c, Reader: bufio.NewReader(c)}
}

// guarded puts the proxy behind a Guard.
func guarded(p *proxy) { p.Server.Listener = &http1.Guard{Listener: p.Server.Listener} }

func TestUpgrade(t *testing.T) {
	addr := switching(t, echo)
	for name, c := range map[string]struct {
		options []option
		dial    func(*proxy, testing.TB) *wire
	}{
		"in clear":    {nil, (*proxy).dial},
		"behind TLS":  {[]option{overTLS(false)}, (*proxy).dialTLS},
		"with Guard":  {[]option{guarded}, (*proxy).dial},
		"h2 and TLS ": {[]option{overTLS(true)}, (*proxy).dialTLS}, // a client without ALPN
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, nil, []string{addr}, c.options...)
			w := c.dial(p, t)
			upgraded(t, w)
			for _, size := range []int{1, 100, 1 << 20} {
				sent, got := make([]byte, size), make([]byte, size)
				rand.Read(sent)
				go w.Write(sent)
				if _, err := io.ReadFull(w, got); err != nil || !bytes.Equal(sent, got) {
					t.Fatalf("%d bytes: %v", size, err)
				}
			}
			if n := p.pool().Meter.InFlight.Load(); n != 1 {
				t.Errorf("the tunnel counts as %d requests", n)
			}
			// Our end passes to the member, whose end passes back.
			if err := w.closeWrite(); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(w); err != nil || len(rest) != 0 {
				t.Errorf("at the end came %q, %v", rest, err)
			}
			if o := <-p.outcomes; o.Status != 101 || o.Sent != 1+100+1<<20 || o.Received != 7+o.Sent {
				t.Errorf("%+v", o)
			}
		})
	}
}

// One direction may end long before the other.
func TestHalfClose(t *testing.T) {
	heard := make(chan string, 1)
	addr := switching(t, func(c *wire) {
		c.closeWrite()
		all, _ := io.ReadAll(c.Reader)
		heard <- string(all)
	})
	p := newProxy(t, nil, []string{addr})
	w := p.dial(t)
	upgraded(t, w)
	if rest, err := io.ReadAll(w); err != nil || len(rest) != 0 {
		t.Fatalf("the member's end came as %q, %v", rest, err)
	}
	io.WriteString(w, "still ")
	time.Sleep(10 * time.Millisecond)
	io.WriteString(w, "here")
	w.closeWrite()
	if got := <-heard; got != "still here" {
		t.Errorf("the member heard %q", got)
	}
}

func TestTunnelTimeout(t *testing.T) {
	p := newProxy(t, pool.Settings{"tunnel_timeout": "100ms"}, []string{switching(t, echo)})
	for name, dial := range map[string]func(testing.TB) *wire{"bare": p.dial} {
		w := dial(t)
		upgraded(t, w)
		one := make([]byte, 1)
		for range 10 { // kept alive by what moves
			time.Sleep(30 * time.Millisecond)
			w.Write(one)
			if _, err := io.ReadFull(w, one); err != nil {
				t.Fatalf("%s: closed although something moved: %v", name, err)
			}
		}
		begin := time.Now()
		if _, err := w.ReadByte(); err == nil {
			t.Errorf("%s: something came", name)
		}
		if d := time.Since(begin); d < 70*time.Millisecond {
			t.Errorf("%s: closed after %s", name, d)
		}
	}
}

func TestTunnelEndsWithItsMember(t *testing.T) {
	p := newProxy(t, nil, []string{switching(t, func(c *wire) {
		c.ReadByte()
		c.Conn.(*net.TCPConn).SetLinger(0) // a crash
	})})
	w := p.dial(t)
	upgraded(t, w)
	w.Write([]byte("x"))
	if _, err := io.ReadAll(w); err == nil {
		// A close without reset is fine too: what matters is that the client hears of it.
		t.Log("closed")
	}
}

func TestOffersThatAreNone(t *testing.T) {
	heads := make(chan string, 1)
	addr := rawBackend(t, func(c *wire) {
		for {
			head, err := c.readHead()
			if err != nil {
				return
			}
			heads <- head
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	p := newProxy(t, nil, []string{addr})
	for _, lines := range []string{
		"Upgrade: websocket\r\n",
		"Connection: Upgrade\r\n",
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\nX-Declined: 1\r\n",
	} {
		c := p.dial(t)
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", domain, lines)
		if answer, err := c.readHead(); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("%q: %q, %v", lines, answer, err)
		}
		head := <-heads
		if offered := strings.Contains(head, "Upgrade: "); offered != strings.Contains(lines, "Declined") {
			t.Errorf("%q: the member got %q", lines, head)
		}
	}
}

func TestConnectIsRefused(t *testing.T) {
	p := newProxy(t, nil, []string{answering(t, "ok")})
	c := p.dial(t)
	fmt.Fprintf(c, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", domain, domain)
	if resp, err := http.ReadResponse(c.Reader, nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%v, %v", resp, err)
	}
}

// net/http reads whether it offers extended CONNECT from the environment when the process begins.
func TestWebSocketOverHTTP2(t *testing.T) {
	const setting = "http2xconnect=1"
	if !strings.Contains(os.Getenv("GODEBUG"), setting) {
		again := exec.Command(os.Args[0], "-test.run=^TestWebSocketOverHTTP2$", "-test.v")
		again.Env = append(os.Environ(), "GODEBUG="+setting)
		out, err := again.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	good := switching(t, echo)
	declining := answering(t, "no")
	for _, c := range []struct {
		name, member, protocol string
		status                 int
	}{
		{"accepted", good, "websocket", 200},
		{"declined", declining, "websocket", 502},
		{"another protocol", good, "connect-udp", 501},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProxy(t, nil, []string{c.member}, overTLS(true))
			client := &http2.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer client.CloseIdleConnections()
			body, feed := io.Pipe()
			r := p.request("CONNECT", "/ws", body)
			r.Header[":protocol"] = []string{c.protocol}
			r.Header.Set("Sec-WebSocket-Version", "13")
			resp, err := client.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Fatalf("answered %d", resp.StatusCode)
			}
			if c.status != 200 {
				feed.Close()
				return
			}
			if resp.Header.Get("X-Own") != "1" || resp.Header.Get("Upgrade") != "" {
				t.Errorf("headers: %v", resp.Header)
			}
			go io.WriteString(feed, " and more")
			want := "welcome and more"
			got := make([]byte, len(want))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
				t.Errorf("%q, %v", got, err)
			}
			feed.Close()
			if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
				t.Errorf("at the end came %q, %v", rest, err)
			}
		})
	}
}
