package lane_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// backend answers with what it got.
func backend(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the body: %v", err)
		}
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Asked", "Cookie", "Te"} {
			if values := r.Header[name]; len(values) > 0 {
				w.Header()["Got-"+name] = values
			}
		}
		w.Header().Set("Trailer", "Sum")
		fmt.Fprintf(w, "%s %s %s %d %s", r.Method, r.RequestURI, r.Host, r.ContentLength, body)
		if r.URL.Path == "/long" {
			io.WriteString(w, strings.Repeat("x", 100_000))
		}
		w.Header().Set("Sum", "7")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestRequestsAreServed(t *testing.T) {
	onEachEngine(t, func(t *testing.T, engine string) {
		d := newDoor(t, engine, nil, []string{backend(t)})
		w := d.dial(t)
		big := strings.Repeat("b", 200_000)
		for _, c := range []struct{ name, request, method, body string }{
			{"get", "GET /a?b=c HTTP/1.1\r\nHost: shop.example.com\r\nx-asked: 1\r\n\r\n", "GET", "GET /a?b=c shop.example.com 0 "},
			{"head", "HEAD / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "HEAD", ""},
			{"post", "POST /p HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 5\r\n\r\nhello", "POST", "POST /p shop.example.com 5 hello"},
			{"post without a body", "POST /p HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "POST", "POST /p shop.example.com 0 "},
			{"chunked", "POST /p HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n", "POST", "POST /p shop.example.com -1 abcde"},
			{"large", "PUT /p HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 200000\r\n\r\n" + big, "PUT", "PUT /p shop.example.com 200000 " + big},
			{"long answer", "GET /long HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "GET", "GET /long shop.example.com 0 " + strings.Repeat("x", 100_000)},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.send(t, c.request)
				resp, body := w.answer(t, c.method)
				if resp.StatusCode != 200 || body != c.body {
					t.Errorf("%d %.200q", resp.StatusCode, body)
				}
				if c.method != "HEAD" && resp.Trailer.Get("Sum") != "7" {
					t.Errorf("trailers %v", resp.Trailer)
				}
			})
		}
		t.Run("pipelined", func(t *testing.T) {
			w.send(t, strings.Repeat("GET /1 HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", 5))
			for range 5 {
				if resp, body := w.answer(t, "GET"); resp.StatusCode != 200 || body != "GET /1 shop.example.com 0 " {
					t.Errorf("%d %q", resp.StatusCode, body)
				}
			}
		})
		t.Run("last", func(t *testing.T) {
			w.send(t, "GET /1 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n")
			if resp, _ := w.answer(t, "GET"); !resp.Close {
				t.Errorf("no Connection: close in %v", resp.Header)
			}
			if _, err := w.ReadByte(); err != io.EOF {
				t.Errorf("the connection is open: %v", err)
			}
		})
	})
}
