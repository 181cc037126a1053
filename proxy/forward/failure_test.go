package forward_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

func TestBrokenResponses(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		status       int // 0: the client's connection is aborted
	}{
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 502},
		{"cut head", "HTTP/1.1 200 OK\r\nContent-", 502},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", 502},
		{"length and encoding", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502},
		{"huge head", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", 502},
		{"switches unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502},
		{"cut sized body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", 0},
		{"cut chunked body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", 0},
	} {
		for name, options := range map[string][]option{"h1": nil, "h2": {overTLS(true)}} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				addr := rawBackend(t, func(conn *wire) {
					conn.readHead()
					io.WriteString(conn, c.answer)
				})
				p := newProxy(t, nil, []string{addr, addr}, options...) // there is another member, but none may be tried
				resp, err := p.Client().Do(p.request("GET", "/", nil))
				if err != nil {
					if c.status != 0 {
						t.Fatal(err)
					}
					return
				}
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
				if c.status == 0 && err == nil {
					t.Error("a cut response looks whole")
				}
				if c.status != 0 && resp.StatusCode != c.status {
					t.Errorf("answered %d", resp.StatusCode)
				}
				if n := len(p.observer.failed()); n != 1 {
					t.Errorf("%d failures were observed: %q", n, p.observer.failed())
				}
			})
		}
	}
}

// A body without length ends with the connection, which is a clean end unless the connection is reset.
func TestBodyUntilClose(t *testing.T) {
	addr := rawBackend(t, func(c *wire) {
		head, _ := c.readHead()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello")
		if strings.Contains(head, "/reset") {
			time.Sleep(20 * time.Millisecond)
			c.Conn.(*net.TCPConn).SetLinger(0)
		}
	})
	p := newProxy(t, nil, []string{addr})
	if _, body := p.get(t); body != "hello" {
		t.Errorf("got %q", body)
	}
	resp, err := p.Client().Do(p.request("GET", "/reset", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a reset looks like a clean end")
	}
}

func TestTimeouts(t *testing.T) {
	silent := func(answer string) func(t testing.TB) string {
		return func(t testing.TB) string {
			return rawBackend(t, func(c *wire) {
				if _, err := c.readHead(); err != nil {
					return
				}
				io.WriteString(c, answer)
				io.Copy(io.Discard, c)
			})
		}
	}
	for _, c := range []struct {
		name     string
		settings pool.Settings
		member   func(t testing.TB) string
		status   int
		cause    dispatch.Cause
	}{
		{"no answer", pool.Settings{"response_timeout": "50ms"}, silent(""), 504, dispatch.Timeout},
		{"half a head", pool.Settings{"response_timeout": "50ms"}, silent("HTTP/1.1 200 OK\r\n"), 504, dispatch.Timeout},
		{"half a body", pool.Settings{"stall_timeout": "50ms"}, silent("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), 0, ""},
		{"no connection", pool.Settings{"connect_timeout": "50ms"}, fullBacklog, 504, dispatch.ConnectFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := pool.Settings{"retries": "0"}
			for k, v := range c.settings {
				settings[k] = v
			}
			p := newProxy(t, settings, []string{c.member(t)})
			resp, err := p.Client().Do(p.request("GET", "/", nil))
			if err == nil {
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
			}
			if c.status == 0 {
				if err == nil {
					t.Error("a response that stalled looks whole")
				}
			} else if err != nil {
				t.Fatal(err)
			} else if refusal := <-p.refused; resp.StatusCode != c.status || refusal.Cause != c.cause {
				t.Errorf("answered %d, %+v", resp.StatusCode, refusal)
			}
			if n := len(p.observer.failed()); n != 1 {
				t.Errorf("%d failures were observed: %q", n, p.observer.failed())
			}
		})
	}
}

// fullBacklog is an address that accepts no further connection and does not refuse it either.
func fullBacklog(t testing.TB) string {
	fd, addr := listenWithoutBacklog(t)
	_ = fd
	for range 4 {
		c, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this kernel accepts more connections than it was asked to")
	return ""
}

// The time for an answer begins at the request's end, however long that takes.
func TestSlowUploadIsNoTimeout(t *testing.T) {
	p := newProxy(t, pool.Settings{"response_timeout": "60ms", "stall_timeout": "10s"}, []string{answering(t, "ok")})
	body, feed := io.Pipe()
	go func() {
		for range 10 {
			time.Sleep(20 * time.Millisecond)
			io.WriteString(feed, "x")
		}
		feed.Close()
	}()
	if resp, got := p.do(t, p.request("POST", "/", body)); resp.StatusCode != 200 || got != "ok" {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
}

func TestSlowClients(t *testing.T) {
	p := newProxy(t, pool.Settings{"stall_timeout": "50ms"}, []string{answering(t, "ok")})
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: " + domain + "\r\nContent-Length: 10\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: " + domain + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		c := p.dial(t)
		io.WriteString(c, request)
		resp, err := http.ReadResponse(c.Reader, nil)
		if err != nil || resp.StatusCode != http.StatusRequestTimeout {
			t.Fatalf("%q: %v, %v", request, resp, err)
		}
		if refusal := <-p.refused; refusal.Cause != dispatch.BodyTimeout {
			t.Errorf("%q: %+v", request, refusal)
		}
	}
	if failed := p.observer.failed(); len(failed) != 0 {
		t.Errorf("the member was blamed: %q", failed)
	}
}

func TestBadBodies(t *testing.T) {
	p := newProxy(t, nil, []string{answering(t, "ok")})
	p.Server.Config.Handler = http.MaxBytesHandler(p.Server.Config.Handler, 100)
	for request, status := range map[string]int{
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n":                                400,
		"Transfer-Encoding: chunked\r\n\r\n80\r\n" + strings.Repeat("a", 128) + "\r\n0\r\n\r\n": 413,
		"Content-Length: 128\r\n\r\n" + strings.Repeat("a", 128):                                413,
	} {
		c := p.dial(t)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: "+domain+"\r\n"+request)
		resp, err := http.ReadResponse(c.Reader, nil)
		if err != nil || resp.StatusCode != status {
			t.Errorf("%q: %v, %v", request, resp, err)
		}
	}
	if failed := p.observer.failed(); len(failed) != 0 {
		t.Errorf("the member was blamed: %q", failed)
	}
}

// When the client leaves, the member hears of it, and is not blamed.
func TestClientLeaves(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"} {
		for name, options := range map[string][]option{"h1": nil, "h2": {overTLS(true)}} {
			t.Run(fmt.Sprintf("%s after %d bytes", name, len(answer)), func(t *testing.T) {
				asked, left := make(chan struct{}), make(chan struct{})
				addr := rawBackend(t, func(c *wire) {
					c.readHead()
					io.WriteString(c, answer)
					close(asked)
					io.Copy(io.Discard, c)
					close(left)
				})
				p := newProxy(t, nil, []string{addr}, options...)
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-asked
					time.Sleep(20 * time.Millisecond)
					cancel()
				}()
				resp, err := p.Client().Do(p.request("GET", "/", nil).WithContext(ctx))
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				select {
				case <-left:
				case <-time.After(5 * time.Second):
					t.Fatal("the member was not told")
				}
				if o := <-p.outcomes; o.Member == nil {
					t.Errorf("%+v", o)
				}
				if failed := p.observer.failed(); len(failed) != 0 {
					t.Errorf("the member was blamed: %q", failed)
				}
				if answer == "" {
					if refusal := <-p.refused; refusal.Status != dispatch.StatusClientGone || refusal.Cause != dispatch.ClientGone {
						t.Errorf("%+v", refusal)
					}
				}
			})
		}
	}
}

func TestGatewayFailuresCount(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	})
	p := newProxy(t, nil, []string{addr})
	for _, status := range []int{200, 404, 500, 501, 502, 503, 504} {
		if resp, _ := p.do(t, p.request("GET", fmt.Sprintf("/%d", status), nil)); resp.StatusCode != status {
			t.Errorf("%d became %d", status, resp.StatusCode)
		}
	}
	if failed := p.observer.failed(); len(failed) != 3 || p.observer.succeeded != 4 {
		t.Errorf("%d succeeded, failed: %q", p.observer.succeeded, failed)
	}
}

// Whatever goes wrong, no place is lost: newProxy checks that at the end.
func TestPlacesAreGivenBack(t *testing.T) {
	var turn atomic.Int64
	addr := rawBackend(t, func(c *wire) {
		for {
			if _, err := c.readHead(); err != nil {
				return
			}
			switch turn.Add(1) % 6 {
			case 0:
				return
			case 1:
				io.WriteString(c, "garbage\r\n\r\n")
			case 2:
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
				return
			case 3:
				io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
			case 4:
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			default:
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	})
	p := newProxy(t, pool.Settings{"max_conns": "4", "member_max_conns": "2", "queue": "3", "queue_timeout": "20ms", "response_timeout": "50ms"}, []string{addr, lab.DeadAddress(t), addr})
	done := make(chan struct{})
	for range 16 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 30 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%7+1)*10*time.Millisecond)
				resp, err := p.Client().Do(p.request([]string{"GET", "POST"}[i%2], "/", strings.NewReader("hello")).WithContext(ctx))
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				cancel()
			}
		}()
	}
	for range 16 {
		<-done
	}
}
