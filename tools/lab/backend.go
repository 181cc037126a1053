package lab

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Backend is a real HTTP server on a random port of 127.0.0.1. Every answer carries its name in the header X-Backend.
type Backend struct {
	Name string
	Port int
	// Hits counts the requests it has seen.
	Hits atomic.Int64

	server *http.Server
}

// StartBackend starts a backend. handler may be nil: it then answers with its name, after ?sleep=DURATION, with ?size=BYTES.
func StartBackend(tb TB, name string, handler http.Handler) *Backend {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("starting backend %s: %v", name, err)
	}
	b := &Backend{Name: name, Port: ln.Addr().(*net.TCPAddr).Port}
	if handler == nil {
		handler = http.HandlerFunc(b.answer)
	}
	b.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Hits.Add(1)
		w.Header().Set("X-Backend", name)
		handler.ServeHTTP(w, r)
	})}
	go b.server.Serve(ln) // ends with Close
	tb.Cleanup(b.Close)
	return b
}

func (b *Backend) answer(w http.ResponseWriter, r *http.Request) {
	if d, err := time.ParseDuration(r.FormValue("sleep")); err == nil {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			return
		}
	}
	if n, err := strconv.Atoi(r.FormValue("size")); err == nil {
		w.Header().Set("Content-Length", strconv.Itoa(n))
		chunk := make([]byte, min(n, 32<<10))
		for ; n > 0; n -= len(chunk) {
			chunk = chunk[:min(n, len(chunk))]
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		return
	}
	fmt.Fprintln(w, b.Name)
}

// Addr returns the backend's host:port.
func (b *Backend) Addr() string { return fmt.Sprintf("127.0.0.1:%d", b.Port) }

// Close stops the backend and cuts its connections.
func (b *Backend) Close() { b.server.Close() }
