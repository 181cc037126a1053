package lane_test

import (
	"crypto/md5"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// echo serves a connection of a member: /big is a body, anything sent to /sum is answered with its MD5, and the rest with ok.
func echo(c *wire, big string) {
	for {
		r, err := http.ReadRequest(c.Reader)
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/big":
			fmt.Fprintf(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(big), big)
		case "/chunks":
			fmt.Fprintf(c.Conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for rest := big; rest != ""; {
				n := min(len(rest), 100_000)
				fmt.Fprintf(c.Conn, "%x\r\n%s\r\n", n, rest[:n])
				rest = rest[n:]
			}
			io.WriteString(c.Conn, "0\r\n\r\n")
		case "/sum":
			sum := md5.New()
			io.Copy(sum, r.Body)
			fmt.Fprintf(c.Conn, "HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n%x", sum.Sum(nil))
		default:
			io.WriteString(c.Conn, okResponse)
		}
	}
}

// Large bodies come whole, both ways, to fast and to slow readers, on connections that go on.
func TestBulk(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, 5<<20)
	random.Read(content)
	big := string(content)
	want := fmt.Sprintf("%x", md5.Sum(content))
	onEachEngine(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{scripted(t, func(c *wire) { echo(c, big) })})
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				w := d.dial(t)
				w.Conn.(*net.TCPConn).SetReadBuffer(32 << 10 << (i % 4))
				for _, target := range []string{"/big", "/", "/chunks", "/big", "/"} {
					w.send(t, "GET "+target+" HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
					resp, err := http.ReadResponse(w.Reader, nil)
					if err != nil {
						t.Errorf("%s: %v", target, err)
						return
					}
					sum := md5.New()
					n, err := io.Copy(sum, &lazy{Reader: resp.Body, pause: time.Duration(i%3) * time.Millisecond})
					if got := fmt.Sprintf("%x", sum.Sum(nil)); err != nil || target != "/" && got != want {
						t.Errorf("%s: %d bytes with the sum %s, %v", target, n, got, err)
						return
					}
				}
				framing := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(big), big)
				if i%2 == 1 {
					framing = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(big), big)
				}
				go io.WriteString(w.Conn, "POST /sum HTTP/1.1\r\nHost: shop.example.com\r\n"+framing)
				if _, body := w.answer(t, "POST"); body != want {
					t.Errorf("sent: the sum is %q", body)
				}
			})
		}
		all.Wait()
	})
}

// lazy reads with pauses.
type lazy struct {
	io.Reader
	pause time.Duration
}

func (r *lazy) Read(p []byte) (int, error) {
	time.Sleep(r.pause)
	return r.Reader.Read(p[:min(len(p), 30<<10)])
}

func TestManyConnections(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{answering(t, okResponse), answering(t, okResponse), answering(t, okResponse)})
		var all sync.WaitGroup
		for range 300 {
			all.Go(func() {
				w := d.dial(t)
				for range 10 {
					w.send(t, strings.Repeat(getRequest, 2))
					w.served(t)
					w.served(t)
				}
			})
		}
		all.Wait()
		if failed := d.observer.failures(); len(failed) > 0 {
			t.Errorf("the observer was told %q", failed)
		}
	})
}
