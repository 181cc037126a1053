package lane_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// A member may answer before it has read the body: the client gets to read that, and the connection ends.
func TestEarlyResponse(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		const early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
		quit := make(chan struct{})
		defer close(quit)
		members := map[string]string{
			"closes":     scripted(t, func(c *wire) { c.head(); io.WriteString(c.Conn, early) }),
			"stays open": scripted(t, func(c *wire) { c.head(); io.WriteString(c.Conn, early); <-quit }),
			"reads on":   scripted(t, func(c *wire) { c.head(); io.WriteString(c.Conn, early); io.Copy(io.Discard, c) }),
		}
		bodies := map[string]string{
			"sized":   "Content-Length: 3000000\r\n\r\n" + strings.Repeat("x", 3_000_000),
			"chunked": "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n", 40) + "0\r\n\r\n",
			"waiting": "Content-Length: 3000000\r\n\r\n" + strings.Repeat("x", 100_000),
		}
		for how, member := range members {
			for kind, body := range bodies {
				t.Run(how+", "+kind, func(t *testing.T) {
					d := newDoor(t, engine, nil, []string{member})
					w := d.dial(t)
					go io.WriteString(w.Conn, "POST / HTTP/1.1\r\nHost: shop.example.com\r\n"+body)
					resp, err := http.ReadResponse(w.Reader, nil)
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(resp.Body)
					if resp.StatusCode != 413 || string(text) != "big" || err != nil {
						t.Errorf("%s %q %v", resp.Status, text, err)
					}
					if !resp.Close && kind == "waiting" {
						t.Errorf("the client is not told that the connection ends")
					}
				})
			}
		}
	})
}

// Both directions may move at once.
func TestDuplex(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		member := scripted(t, func(c *wire) {
			r, err := http.ReadRequest(c.Reader)
			if err != nil {
				return
			}
			io.WriteString(c.Conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
			io.Copy(c.Conn, r.Body)
		})
		d := newDoor(t, engine, nil, []string{member})
		w := d.dial(t)
		w.send(t, "POST / HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n")
		resp, err := http.ReadResponse(w.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(resp.Body)
		for i := range 100 {
			line := fmt.Sprintf("line %d\n", i)
			w.send(t, fmt.Sprintf("%x\r\n%s\r\n", len(line), line))
			if got, err := in.ReadString('\n'); got != line || err != nil {
				t.Fatalf("sent %q, got %q, %v", line, got, err)
			}
		}
		w.send(t, "0\r\n\r\n")
		if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
			t.Errorf("%q %v", rest, err)
		}
	})
}

// A client that has ended its side still gets its answer.
func TestHalfClose(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for _, pause := range []time.Duration{0, 50 * time.Millisecond} {
			member := scripted(t, func(c *wire) {
				c.head()
				time.Sleep(pause)
				io.WriteString(c.Conn, okResponse)
			})
			d := newDoor(t, engine, nil, []string{member})
			w := d.dial(t)
			w.send(t, getRequest)
			w.Conn.(*net.TCPConn).CloseWrite()
			w.served(t)
			if !w.ended(t) {
				t.Error("the connection was reset")
			}
		}
	})
}

// The head of a response whose body is to come passes at once.
func TestHeadComesAlone(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for name, head := range map[string]string{
			"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "until close": "HTTP/1.1 200 OK\r\n\r\n",
		} {
			quit := make(chan struct{})
			member := scripted(t, func(c *wire) {
				c.head()
				io.WriteString(c.Conn, head)
				<-quit
			})
			d := newDoor(t, engine, nil, []string{member})
			w := d.dial(t)
			w.send(t, getRequest)
			if got := w.head(); !strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Errorf("%s: %q", name, got)
			}
			close(quit)
		}
	})
}

func TestInterimResponses(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-private\r\nX-Private: 1\r\n\r\n"
		for _, c := range []struct {
			name, says, want string
		}{
			{"continue", "HTTP/1.1 100 Continue\r\n\r\n" + okResponse, "200"},
			{"hints", hint + hint + okResponse, "103 103 200"},
			{"both", "HTTP/1.1 100 Continue\r\n\r\n" + hint + okResponse, "103 200"},
			{"as many as there may be", strings.Repeat(hint, 16) + okResponse, strings.Repeat("103 ", 16) + "200"},
			{"too many", strings.Repeat(hint, 17) + okResponse, strings.Repeat("103 ", 16) + "502"},
			{"switches unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "502"},
			{"breaks off behind hints", hint + "HTTP/1.1", "103 502"},
			{"with a length", "HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n" + okResponse, "102 200"},
		} {
			t.Run(c.name, func(t *testing.T) {
				member := scripted(t, func(c2 *wire) {
					if c2.head() != "" {
						io.WriteString(c2.Conn, c.says)
					}
				})
				d := newDoor(t, engine, pool.Settings{"retries": "2"}, []string{member})
				w := d.dial(t)
				w.send(t, getRequest)
				got := ""
				for {
					head := w.head()
					if head == "" {
						t.Fatalf("after %q the connection ended", got)
					}
					status := head[9:12]
					got += status
					if status >= "200" {
						break
					}
					got += " "
					if strings.Contains(head, "Length") || strings.Contains(head, "Private") || status == "103" && !strings.Contains(head, "Link: </a.css>") {
						t.Errorf("passed on as %q", head)
					}
				}
				if got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	})
}

// Responses whose length does not tell where they end.
func TestResponsesWithoutBody(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for _, c := range []struct {
			name, method, says string
			length             string // what the client is told
		}{
			{"HEAD with a length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "5"},
			{"HEAD in chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
			{"HEAD without either", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", ""},
			{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", ""},
			{"204 with a length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", ""},
			{"304", "GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n", ""},
			{"304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""},
			{"304 in chunks", "GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
			{"205 with nothing", "GET", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "0"},
			{"no reason", "GET", "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", "0"},
		} {
			t.Run(c.name, func(t *testing.T) {
				d := newDoor(t, engine, nil, []string{answering(t, c.says)})
				w := d.dial(t)
				for range 3 { // the connections are kept
					w.send(t, c.method+" / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
					head := w.head()
					if head == "" || head[9:12] != c.says[9:12] || strings.Contains(head, "Transfer-Encoding") || strings.Contains(head, "Connection") {
						t.Fatalf("got %q", head)
					}
					_, length, has := strings.Cut(head, "Content-Length: ")
					if has != (c.length != "") || has && !strings.HasPrefix(length, c.length+"\r\n") {
						t.Errorf("got %q, want the length %q", head, c.length)
					}
				}
			})
		}
	})
}

// Members end their connections as they like, and clients do not notice.
func TestMembersThatClose(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		for name, says := range map[string]string{
			"Connection: close":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
			"HTTP/1.0":            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.0, no length": "HTTP/1.0 200 OK\r\n\r\nok",
		} {
			t.Run(name, func(t *testing.T) {
				member := scripted(t, func(c *wire) {
					if c.head() != "" {
						io.WriteString(c.Conn, says)
					}
				})
				d := newDoor(t, engine, nil, []string{member})
				w := d.dial(t)
				for range 5 {
					w.send(t, getRequest)
					w.served(t)
				}
				if failed := d.observer.failures(); len(failed) > 0 {
					t.Errorf("the observer was told %q", failed)
				}
			})
		}
	})
}
