package faults

import (
	"context"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// tap is a way to an engine on which events can be lost and requests be held up.
type tap struct {
	server *http.Server

	mu      sync.Mutex
	deaf    bool
	streams map[io.Closer]bool
	hold    func(*http.Request) bool
	held    chan struct{} // closed when a request is held
}

// tapped puts a tap between a host's engine and its users. The socket lies in the host's /run.
func (w *ward) tapped(h *hosts.Host) (there, here string, err error) {
	socket := filepath.Join(filepath.Dir(h.Socket()), "tap.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return "", "", err
	}
	p := &tap{streams: map[io.Closer]bool{}}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.Socket())
		}},
		FlushInterval:  -1,
		ModifyResponse: p.listen,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ErrorLog:       log.New(io.Discard, "", 0), // streams that are cut are what it is for
	}
	p.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.keeps(r) {
			<-r.Context().Done() // its client is gone; it never reaches the engine
			return
		}
		forward.ServeHTTP(w, r)
	})}
	go p.server.Serve(listener) // until the ward closes it
	w.taps[h.Name] = p
	return "unix:///run/tap.sock", "unix://" + socket, nil
}

// keeps reports whether a request is to be held up.
func (p *tap) keeps(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold == nil || !p.hold(r) {
		return false
	}
	select {
	case <-p.held:
	default:
		close(p.held)
	}
	return true
}

// holdUp keeps requests of a kind from the engine until let; the channel is closed when there was one.
func (p *tap) holdUp(which func(*http.Request) bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold, p.held = which, make(chan struct{})
	return p.held
}

func (p *tap) let() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = nil
}

// listen puts an ear on streams of events.
func (p *tap) listen(r *http.Response) error {
	if !strings.HasSuffix(r.Request.URL.Path, "/events") {
		return nil
	}
	e := &ear{ReadCloser: r.Body, tap: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[e] = true
	r.Body = e
	return nil
}

// cut ends all streams of events.
func (p *tap) cut() {
	p.mu.Lock()
	streams := slices.Collect(maps.Keys(p.streams))
	p.mu.Unlock()
	for _, stream := range streams {
		stream.Close()
	}
}

// heard reports whether somebody listens to a stream of events.
func (p *tap) heard() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.streams) > 0
}

// deafen loses the events, and the streams stand, until it is told otherwise.
func (p *tap) deafen(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// ear is a stream of events that may be lost on the way.
type ear struct {
	io.ReadCloser
	tap *tap
}

// Close ends it, for its tap as well.
func (e *ear) Close() error {
	e.tap.mu.Lock()
	delete(e.tap.streams, e)
	e.tap.mu.Unlock()
	return e.ReadCloser.Close()
}

func (e *ear) Read(b []byte) (int, error) {
	for {
		n, err := e.ReadCloser.Read(b)
		e.tap.mu.Lock()
		deaf := e.tap.deaf
		e.tap.mu.Unlock()
		if err != nil || !deaf {
			return n, err
		}
	}
}

// seen waits for a held request.
func seen(held <-chan struct{}, within time.Duration) bool {
	select {
	case <-held:
		return true
	case <-time.After(within):
		return false
	}
}

// holds tells requests whose path ends so, about a container of a domain.
func holds(path, domain string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if path == "" || !strings.HasSuffix(r.URL.Path, path) || r.Method != http.MethodPost {
			return false
		}
		return path == "/start" || strings.HasPrefix(r.URL.Query().Get("name"), domain)
	}
}
