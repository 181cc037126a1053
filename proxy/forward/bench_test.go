package forward_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/forward"
)

// BenchmarkServe is a small GET over a kept-alive connection, served by this handler and by the standard library's ReverseProxy, each
// behind a net/http server and before the same raw backend. "alone" is that server answering by itself: the share of neither.
func BenchmarkServe(b *testing.B) {
	addr := smallBackend(b)
	b.Run("forward", func(b *testing.B) {
		p := newProxy(b, nil, []string{addr})
		h := &forward.Handler{Desk: dispatch.Desk{Table: p.Table, Transport: egress.New(egress.Options{})}}
		benchServer(b, func(w http.ResponseWriter, r *http.Request) {
			if refusal := h.Serve(w, r, nil); refusal != nil {
				http.Error(w, refusal.Reason, refusal.Status)
			}
		})
	})
	b.Run("reverseproxy", func(b *testing.B) {
		to := &url.URL{Scheme: "http", Host: addr}
		h := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(to)
				r.SetXForwarded()
			},
			Transport: &http.Transport{MaxIdleConnsPerHost: 256},
		}
		benchServer(b, h.ServeHTTP)
	})
	b.Run("alone", func(b *testing.B) {
		benchServer(b, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{"text/plain"}
			w.Header()["Content-Length"] = []string{"128"}
			io.WriteString(w, benchBody)
		})
	})
}

var benchBody = strings.Repeat("x", 128)

// smallBackend answers every request of a connection with the same bytes, at next to no cost.
func smallBackend(b *testing.B) string {
	response := []byte("HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 128\r\nCache-Control: no-store\r\n\r\n" + benchBody)
	return rawBackend(b, func(c *wire) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Conn.Read(buf)
			if err != nil {
				return
			}
			if n < 4 || string(buf[n-4:n]) != "\r\n\r\n" {
				panic("split request")
			}
			if _, err := c.Write(response); err != nil {
				return
			}
		}
	})
}

// benchServer measures requests of one client per processor, which do next to nothing themselves.
func benchServer(b *testing.B, h http.HandlerFunc) {
	s := httptest.NewServer(h)
	defer s.Close()
	request := []byte("GET /index.html?a=b HTTP/1.1\r\nHost: " + domain + "\r\nUser-Agent: bench/1.0\r\nAccept: text/html,*/*\r\n" +
		"Accept-Encoding: gzip, br\r\nAccept-Language: en\r\nCookie: session=0123456789\r\n\r\n")
	b.ReportAllocs()
	b.SetParallelism(4)
	b.ResetTimer()
	before := processorTime(b)
	defer func() { b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op") }()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		in := bufio.NewReader(c)
		for pb.Next() {
			if _, err := c.Write(request); err != nil {
				b.Error(err)
				return
			}
			if err := skipResponse(in); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// processorTime is what the process has used, in nanoseconds: a busy machine makes it less wrong than the time on the clock.
func processorTime(b *testing.B) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func skipResponse(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err := in.Discard(128)
			return err
		}
	}
}

var _ dispatch.Observer = (*observer)(nil)

// BenchmarkBulk is a body of 4 MiB, whose cost is that of moving bytes.
func BenchmarkBulk(b *testing.B) {
	body := make([]byte, 4<<20)
	addr := backend(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = []string{"4194304"}
		w.Write(body)
	})
	run := func(b *testing.B, h http.HandlerFunc) {
		s := httptest.NewServer(h)
		defer s.Close()
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		in, sink := bufio.NewReader(c), make([]byte, 256<<10)
		b.SetBytes(int64(len(body)))
		b.ResetTimer()
		before := processorTime(b)
		defer func() { b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op") }()
		for b.Loop() {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+domain+"\r\n\r\n")
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, sink); n != int64(len(body)) || err != nil {
				b.Fatal(n, err)
			}
		}
	}
	b.Run("forward", func(b *testing.B) {
		p := newProxy(b, nil, []string{addr})
		h := &forward.Handler{Desk: dispatch.Desk{Table: p.Table, Transport: egress.New(egress.Options{})}}
		run(b, func(w http.ResponseWriter, r *http.Request) { h.Serve(w, r, nil) })
	})
	b.Run("reverseproxy", func(b *testing.B) {
		h := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
		run(b, h.ServeHTTP)
	})
}
