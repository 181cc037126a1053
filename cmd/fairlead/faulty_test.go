package main_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultyConsul stands between an edge and a real agent, and misbehaves as told.
type faultyConsul struct {
	*httptest.Server
	agent string // host:port

	mu     sync.Mutex
	fault  fault
	turned context.Context // ends with the next turn
	next   context.CancelFunc
}

// fault is a way to misbehave. The zero fault is none.
type fault struct {
	// instead answers the request; the agent is not asked.
	instead http.HandlerFunc
	// twist changes what the agent answered.
	twist func(*http.Request, *answer)
}

// answer is what an agent says.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func startFaultyConsul(t *testing.T, agent string) *faultyConsul {
	f := &faultyConsul{agent: agent}
	f.turned, f.next = context.WithCancel(context.Background())
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.next()
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// turn changes the behaviour, for queries that wait as well: they are answered at once, by the new one.
func (f *faultyConsul) turn(to fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next()
	f.fault = to
	f.turned, f.next = context.WithCancel(context.Background())
}

func (f *faultyConsul) now() (fault, context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault, f.turned
}

func (f *faultyConsul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for query := r.URL.RawQuery; ; {
		fault, turned := f.now()
		if fault.instead != nil {
			fault.instead(w, r)
			return
		}
		got, err := f.ask(r, query, turned)
		switch {
		case r.Context().Err() != nil:
			return
		case turned.Err() != nil:
			values := r.URL.Query()
			values.Del("index")
			query = values.Encode()
			continue
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if fault.twist != nil {
			fault.twist(r, got)
		}
		for key, values := range got.header {
			w.Header()[key] = values
		}
		w.WriteHeader(got.status)
		_, _ = w.Write(got.body) // fails if the edge has left
		return
	}
}

// ask hands the request on to the agent, unless turned ends first.
func (f *faultyConsul) ask(r *http.Request, query string, turned context.Context) (*answer, error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(turned, cancel)()
	request, err := http.NewRequestWithContext(ctx, r.Method, "http://"+f.agent+r.URL.Path+"?"+query, r.Body)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	response.Header.Del("Content-Length")
	return &answer{response.StatusCode, response.Header, body}, err
}

// The faults that need no more than a function.

// blackHole says nothing until the client leaves.
func blackHole(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// reset cuts the connection by RST.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // it may be closed already
	conn.Close()
}

// refusing answers everything with a status and a text.
func refusing(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) }
}

// saying replaces every body and leaves the index as it is.
func saying(body string) func(*http.Request, *answer) {
	return func(_ *http.Request, a *answer) { a.body = []byte(body) }
}

// cutShort loses the end of every body.
func cutShort(_ *http.Request, a *answer) { a.body = a.body[:len(a.body)/2] }

// denying shows an empty catalogue at the same index, as Consul does to those who have lost their rights; told is whether a header
// says so, which it does to holders of a token only.
func denying(told bool) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		switch {
		case r.URL.Path == "/v1/catalog/services":
			a.body = []byte("{}")
		case strings.HasPrefix(r.URL.Path, "/v1/health/service/"):
			a.body = []byte("[]")
		default:
			return
		}
		if told {
			a.header.Set("X-Consul-Results-Filtered-By-ACLs", "true")
		}
	}
}

// falling lets all indexes fall by twenty in a second, from now on.
func falling() func(*http.Request, *answer) {
	began := time.Now()
	return func(_ *http.Request, a *answer) {
		index, err := strconv.Atoi(a.header.Get("X-Consul-Index"))
		if err != nil {
			return
		}
		a.header.Set("X-Consul-Index", strconv.Itoa(max(1, index-int(time.Since(began)/(50*time.Millisecond)))))
	}
}
