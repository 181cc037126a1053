package forward_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

func TestEventsAndChunksAreFlushed(t *testing.T) {
	next := make(chan struct{})
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", "18")
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		}
		for i := range 3 {
			fmt.Fprintf(w, "data %d", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	overEveryVersion(t, nil, []string{addr}, func(t *testing.T, p *proxy) {
		for _, path := range []string{"/", "/sized"} {
			resp, err := p.Client().Do(p.request("GET", path, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			for i := range 3 {
				piece := make([]byte, 6)
				if _, err := io.ReadFull(resp.Body, piece); err != nil || string(piece) != fmt.Sprintf("data %d", i) {
					t.Fatalf("%s: piece %d: %q, %v", path, i, piece, err)
				}
				next <- struct{}{}
			}
		}
	})
}

func TestLargeBodiesBothWays(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		if r.ContentLength > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
		}
		io.Copy(w, r.Body)
	})
	body := make([]byte, 8<<20)
	rand.Read(body)
	overEveryVersion(t, nil, []string{addr}, func(t *testing.T, p *proxy) {
		for _, sized := range []bool{true, false} {
			var reader io.Reader = bytes.NewReader(body)
			if !sized {
				reader = io.MultiReader(reader)
			}
			_, got := p.do(t, p.request("POST", "/", reader))
			if got != string(body) {
				t.Errorf("sized %v: %d bytes of %d came back right", sized, len(got), len(body))
			}
		}
	})
}

func TestTrailersBothWays(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		io.Copy(w, r.Body)
		w.Header().Set("X-Declared", r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-Sudden", "1")
		w.Header().Set(http.TrailerPrefix+"Set-Cookie", "not=here")
	})
	overEveryVersion(t, nil, []string{addr}, func(t *testing.T, p *proxy) {
		r := p.request("POST", "/", io.MultiReader(strings.NewReader("hello")))
		r.Trailer = http.Header{"X-Sum": {"sum"}}
		resp, body := p.do(t, r)
		if body != "hello" || resp.Trailer.Get("X-Declared") != "sum" || resp.Trailer.Get("X-Sudden") != "1" {
			t.Errorf("%q, trailers %v", body, resp.Trailer)
		}
		if resp.Trailer.Get("Set-Cookie") != "" {
			t.Error("a cookie was set by a trailer")
		}
	})
}

func TestEarlyHints(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Final", "1")
		io.WriteString(w, "ok")
	})
	overEveryVersion(t, nil, []string{addr}, func(t *testing.T, p *proxy) {
		p.Server.Config.Handler = before(p.Server.Config.Handler, http.Header{"X-Before": {"1"}})
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, header["Link"], header["X-Before"]))
			return nil
		}})
		resp, body := p.do(t, p.request("GET", "/", nil).WithContext(ctx))
		if len(hints) != 1 || hints[0] != "103 [</style.css>] []" {
			t.Errorf("hints: %q", hints)
		}
		if body != "ok" || resp.Header.Get("X-Final") != "1" || resp.Header.Get("X-Before") != "1" {
			t.Errorf("%q, %v", body, resp.Header)
		}
	})
}

func TestTooManyInterimResponses(t *testing.T) {
	addr := rawBackend(t, func(c *wire) {
		c.readHead()
		io.WriteString(c, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100)+"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	p := newProxy(t, nil, []string{addr})
	if resp, _ := p.get(t); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

func TestExpectContinue(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %q", len(body), r.Header["Expect"])
	})
	p := newProxy(t, nil, []string{addr})
	for _, size := range []int{5, 1 << 20} {
		c := p.dial(t)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", domain, size)
		if head, err := c.readHead(); err != nil || !strings.HasPrefix(head, "HTTP/1.1 100 ") {
			t.Fatalf("first came %q, %v", head, err)
		}
		c.Write(make([]byte, size))
		resp, err := http.ReadResponse(c.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if want := fmt.Sprintf("%d []", size); string(body) != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
}

// A member may answer before it has read the request, and the client gets to see that at once.
func TestEarlyResponse(t *testing.T) {
	addr := rawBackend(t, func(c *wire) {
		c.readHead()
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
		io.Copy(io.Discard, c) // until the proxy gives up
	})
	for name, options := range map[string][]option{"h1": nil, "h2": {overTLS(true)}} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, nil, []string{addr}, options...)
			body, feed := io.Pipe()
			go func() {
				piece := make([]byte, 32<<10)
				for {
					if _, err := feed.Write(piece); err != nil {
						return
					}
				}
			}()
			defer body.Close()
			resp, answer := p.do(t, p.request("POST", "/", body))
			if resp.StatusCode != http.StatusRequestEntityTooLarge || answer != "no!" {
				t.Errorf("%d %q", resp.StatusCode, answer)
			}
			if name == "h1" && !resp.Close {
				t.Error("the connection is to be used again although the request's end was not read")
			}
			if n := p.Transport.Idles(); n != 0 {
				t.Errorf("%d connections with half a request were kept", n)
			}
		})
	}
}

// A broken answer in the middle of an upload is refused like any other: nothing was written yet.
func TestBrokenEarlyResponse(t *testing.T) {
	addr := rawBackend(t, func(c *wire) {
		c.readHead()
		io.WriteString(c, "garbage\r\n\r\n")
		io.Copy(io.Discard, c)
	})
	p := newProxy(t, nil, []string{addr})
	body, feed := io.Pipe()
	defer feed.Close()
	if resp, _ := p.do(t, p.request("POST", "/", body)); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

// Requests and responses may go on side by side.
func TestDuplex(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		control.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		control.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, "echo", lines.Text())
			control.Flush()
		}
	})
	for name, options := range map[string][]option{"h1": nil, "h2": {overTLS(true)}} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, nil, []string{addr}, options...)
			body, feed := io.Pipe()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			resp, err := p.Client().Do(p.request("POST", "/", body).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			lines := bufio.NewScanner(resp.Body)
			for i := range 5 {
				fmt.Fprintln(feed, i)
				if !lines.Scan() || lines.Text() != fmt.Sprint("echo ", i) {
					t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
				}
			}
			feed.Close()
			if lines.Scan() || lines.Err() != nil {
				t.Errorf("at the end came %q, %v", lines.Text(), lines.Err())
			}
		})
	}
}

// A client that does not read stops the member, and a member that does not read stops the client.
func TestBackPressure(t *testing.T) {
	const total = 64 << 20
	moved := make(chan int, 1)
	release := make(chan struct{})
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			<-release
			io.Copy(io.Discard, r.Body)
			return
		}
		control, piece := http.NewResponseController(w), make([]byte, 64<<10)
		for n := 0; ; n += len(piece) {
			control.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := w.Write(piece); err != nil || n >= total {
				moved <- n
				return
			}
		}
	})
	p := newProxy(t, nil, []string{addr})
	resp, err := p.Client().Do(p.request("GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := <-moved; n >= total/2 {
		t.Errorf("the member wrote %d bytes that nobody read", n)
	}
	resp.Body.Close()

	c := p.dial(t)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", domain, total)
	piece, sent := make([]byte, 64<<10), 0
	c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	for {
		n, err := c.Write(piece)
		if sent += n; err != nil {
			break
		}
	}
	if sent >= total/2 {
		t.Errorf("the proxy took %d bytes that the member did not read", sent)
	}
	close(release)
}
