package engine

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"sync"

	"github.com/fairlead/fairlead/tools/lab"
)

// Script is an engine that gives prepared answers, on a Unix socket.
type Script struct {
	// Host is where it listens, as the Docker client takes it.
	Host string

	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	calls   []Call
}

// Call is a request that the script got.
type Call struct {
	// Route is method and path, without the API version: "POST /services/x/update".
	Route string
	// Version is the API version that the client settled on, Query the raw query.
	Version, Query string
	Body           []byte
}

// NewScript returns an engine that speaks this API version, and has been asked nothing.
func NewScript(tb lab.TB, version string) *Script {
	tb.Helper()
	s := &Script{answers: map[string]http.HandlerFunc{}}
	ping := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", version) }
	s.Handle("HEAD /_ping", ping)
	s.Handle("GET /_ping", ping)
	s.Host = serve(tb, s)
	return s
}

// Handle sets the answer to a route.
func (s *Script) Handle(route string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[route] = answer
}

// JSON answers a route with a status and a document.
func (s *Script) JSON(route string, status int, document string) {
	s.Handle(route, func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, status, document) })
}

// File answers a route with a recorded document.
func (s *Script) File(tb lab.TB, route, file string) {
	tb.Helper()
	document, err := os.ReadFile(file)
	if err != nil {
		tb.Fatalf("a recorded answer: %v", err)
	}
	s.JSON(route, http.StatusOK, string(document))
}

// Hang lets a route be asked and never answered.
func (s *Script) Hang(route string) {
	s.Handle(route, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Calls returns what was asked on these routes so far, or everything if none is named; pings do not count.
func (s *Script) Calls(routes ...string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Call
	for _, c := range s.calls {
		named := len(routes) == 0
		for _, route := range routes {
			named = named || c.Route == route
		}
		if named {
			found = append(found, c)
		}
	}
	return found
}

var versioned = regexp.MustCompile(`^/v([0-9.]+)(/.*)$`)

// ServeHTTP answers as the script says, and with 404 to what it does not know.
func (s *Script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, version := r.URL.Path, ""
	if parts := versioned.FindStringSubmatch(path); parts != nil {
		version, path = parts[1], parts[2]
	}
	route := r.Method + " " + path
	body, _ := io.ReadAll(r.Body) // a body cut short shows in what is compared
	s.mu.Lock()
	if path != "/_ping" {
		s.calls = append(s.calls, Call{Route: route, Version: version, Query: r.URL.RawQuery, Body: body})
	}
	answer := s.answers[route]
	s.mu.Unlock()
	if answer == nil {
		WriteJSON(w, http.StatusNotFound, fmt.Sprintf(`{"message":"no answer to %s"}`, route))
		return
	}
	answer(w, r)
}

// WriteJSON writes an answer as an engine does.
func WriteJSON(w http.ResponseWriter, status int, document string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, document) // a client that is gone needs no answer
}
