package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is an engine that answers what a test has put into it.
type script struct {
	version string
	socket  string

	mu       sync.Mutex
	inspects map[string]any // by ID
	lists    map[string]any
	networks any
	order    []string
	asked    map[string]int // requests by their path's last parts
	faults   map[string]http.HandlerFunc
	streams  map[chan string]func() // events to write, and how to cut the stream
}

// startScript serves an engine of an API version on a Unix socket.
func startScript(t *testing.T, version string) *script {
	t.Helper()
	// A socket's path has a hundred bytes at the most, which a test's own folder may exceed.
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &script{
		version: version, socket: filepath.Join(dir, "s"), inspects: map[string]any{}, lists: map[string]any{}, networks: []any{},
		asked: map[string]int{}, faults: map[string]http.HandlerFunc{}, streams: map[chan string]func(){},
	}
	ln, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	server.Listener.Close()
	server.Listener = ln
	server.Start()
	t.Cleanup(func() {
		s.cut()
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// request names what was asked for: "list", "inspect ID", "events", "networks", "info", "ping".
func request(path string) string {
	switch {
	case strings.HasSuffix(path, "/_ping"):
		return "ping"
	case strings.HasSuffix(path, "/containers/json"):
		return "list"
	case strings.HasSuffix(path, "/json"):
		return "inspect " + filepath.Base(filepath.Dir(path))
	}
	return filepath.Base(path)
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	what := request(r.URL.Path)
	s.mu.Lock()
	s.asked[what]++
	fault := s.faults[what]
	if fault == nil {
		fault = s.faults["*"]
	}
	version := s.version
	s.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	w.Header().Set("Api-Version", version)
	w.Header().Set("Content-Type", "application/json")
	if what != "ping" && !strings.HasPrefix(r.URL.Path, "/v"+version+"/") && version <= newest {
		http.Error(w, fmt.Sprintf(`{"message":"client version of %s is not %s"}`, r.URL.Path, version), http.StatusBadRequest)
		return
	}
	switch kind, id, _ := strings.Cut(what, " "); kind {
	case "events":
		s.serveEvents(w, r)
	default:
		s.answer(w, kind, id)
	}
}

// newest is the newest version that the client speaks: it asks a newer engine in this one.
const newest = "1.51"

func (s *script) answer(w http.ResponseWriter, kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer any
	switch kind {
	case "ping":
		return
	case "list":
		all := []any{}
		for _, id := range s.order {
			all = append(all, s.lists[id])
		}
		answer = all
	case "inspect":
		answer = s.inspects[id]
	case "networks":
		answer = s.networks
	case "info":
		answer = map[string]any{"Name": "host-of-the-engine"}
	}
	if answer == nil {
		http.Error(w, `{"message":"No such container: `+id+`"}`, http.StatusNotFound)
		return
	}
	json.NewEncoder(w).Encode(answer)
}

func (s *script) serveEvents(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	events := make(chan string, 100)
	s.mu.Lock()
	s.streams[events] = cancel
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.streams, events)
		s.mu.Unlock()
	}()
	w.(http.Flusher).Flush()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			fmt.Fprintln(w, e)
			w.(http.Flusher).Flush()
		}
	}
}

// emit sends an event on every stream.
func (s *script) emit(raw string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for events := range s.streams {
		events <- raw
	}
}

// act sends a container's event, in the form of API 1.52.
func (s *script) act(id, action string, attributes ...string) {
	set := map[string]string{}
	for i := 0; i < len(attributes); i += 2 {
		set[attributes[i]] = attributes[i+1]
	}
	raw, _ := json.Marshal(map[string]any{"Type": "container", "Action": action, "Actor": map[string]any{"ID": id, "Attributes": set}})
	s.emit(string(raw))
}

// cut ends every stream of events.
func (s *script) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.streams {
		cancel()
	}
}

// listening reports whether somebody follows the events.
func (s *script) listening() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams) > 0
}

// count returns how often something was asked for: the sum of those whose name begins so.
func (s *script) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for name, times := range s.asked {
		if strings.HasPrefix(name, what) {
			n += times
		}
	}
	return n
}

// fault has requests of a name ("*": all others) answered by a handler, nil: as usual.
func (s *script) fault(what string, by http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by == nil {
		delete(s.faults, what)
		return
	}
	s.faults[what] = by
}

// hang is an engine that accepts a request and never answers.
func hang(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(30 * time.Second):
	}
}

func broken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprint(w, `{"message":"the storage is gone"}`)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
