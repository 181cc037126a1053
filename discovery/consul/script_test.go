package consul

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// reply is what a scripted agent says to one path. Its zero values are those of a healthy one.
type reply struct {
	status     int // 200
	index      uint64
	body       string
	noLeader   bool
	filtered   bool
	streamed   bool
	noIndex    bool
	hang       bool // say nothing at all
	consistent *reply
	next       *reply // what is said from the second time on
}

// script is an agent that answers as told, with blocking queries. As in Consul one that asks for more than the present index waits for
// that; one that waits already when the index falls is answered, as when a snapshot is restored.
type script struct {
	*httptest.Server

	mu      sync.Mutex
	replies map[string]reply
	changed chan struct{}
	asked   map[string]int
	tokens  map[string]bool
	end     chan struct{}
}

func newScript(t *testing.T) *script {
	s := &script{replies: map[string]reply{}, changed: make(chan struct{}), asked: map[string]int{}, tokens: map[string]bool{}, end: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		close(s.end)
		s.Server.CloseClientConnections()
		s.Server.Close()
	})
	return s
}

// say sets replies by path, those not named staying as they are.
func (s *script) say(replies map[string]reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, r := range replies {
		s.replies[path] = r
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// said puts what comes next in the place of an answer.
func (s *script) said(path string, r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.next != nil && s.replies[path].next == r.next {
		s.replies[path] = *r.next
	}
}

func (s *script) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	waitFor, _ := strconv.ParseUint(query.Get("index"), 10, 64)
	wait, err := time.ParseDuration(query.Get("wait"))
	if err != nil {
		wait = 5 * time.Minute
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	s.mu.Lock()
	s.asked[r.URL.Path]++
	s.tokens[r.Header.Get("X-Consul-Token")] = true
	s.mu.Unlock()
	for over, fell := false, false; ; {
		s.mu.Lock()
		answer, found := s.replies[r.URL.Path]
		changed := s.changed
		s.mu.Unlock()
		if _, strict := query["consistent"]; strict && answer.consistent != nil {
			answer = *answer.consistent
		}
		if !found {
			answer = reply{index: 1, body: "[]"}
		}
		if !answer.hang && (over || waitFor == 0 || answer.index > waitFor || answer.index < waitFor && fell || answer.status != 0) {
			s.said(r.URL.Path, answer)
			answer.write(w)
			return
		}
		select {
		case <-changed:
			fell = true
		case <-timer.C:
			over = true
		case <-r.Context().Done():
			return
		case <-s.end:
			return
		}
	}
}

func (r reply) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if !r.noIndex {
		h.Set("X-Consul-Index", strconv.FormatUint(r.index, 10))
	}
	h.Set("X-Consul-LastContact", "0")
	h.Set("X-Consul-KnownLeader", strconv.FormatBool(!r.noLeader))
	if r.filtered {
		h.Set("X-Consul-Results-Filtered-By-ACLs", "true")
	}
	if r.streamed {
		h.Set("X-Consul-Query-Backend", "streaming")
		h.Set("X-Consul-KnownLeader", "false")
	}
	if r.status != 0 {
		w.WriteHeader(r.status)
	}
	_, _ = io.WriteString(w, r.body)
}

// entriesJSON is an answer with instances on node n, a name with "!" being critical.
func entriesJSON(names ...string) string {
	var out []string
	for i, name := range names {
		status := "passing"
		if strings.HasSuffix(name, "!") {
			name, status = strings.TrimSuffix(name, "!"), "critical"
		}
		out = append(out, fmt.Sprintf(`{"Node":{"Node":"n","Address":"192.0.2.1"},"Service":{"ID":%q,"Port":%d,"ModifyIndex":5,"CreateIndex":4},`+
			`"Checks":[{"Node":"n","CheckID":"service:%s","Status":%q}]}`, name, 8000+i, name, status))
	}
	return "[" + strings.Join(out, ",") + "]"
}

// namesJSON is the list of names.
func namesJSON(names ...string) string {
	for i := range names {
		names[i] = fmt.Sprintf("%q:[]", names[i])
	}
	return "{" + strings.Join(names, ",") + "}"
}

// onNode is what is registered on a node, each "ID service ModifyIndex".
func onNode(registrations ...string) string {
	var out []string
	for _, r := range registrations {
		var id, service string
		var modify int
		if _, err := fmt.Sscan(r, &id, &service, &modify); err != nil {
			panic(err)
		}
		out = append(out, fmt.Sprintf(`{"ID":%q,"Service":%q,"ModifyIndex":%d}`, id, service, modify))
	}
	return `{"Node":{"Node":"n"},"Services":[` + strings.Join(out, ",") + "]}"
}

// quick is a configuration whose waits are short.
func quick(s *script) Config {
	return Config{
		Address: s.URL, Wait: 500 * time.Millisecond, Canary: 10 * time.Second, Timeout: 2 * time.Second, Margin: 100 * time.Millisecond,
		BackoffMin: 2 * time.Millisecond, BackoffMax: 10 * time.Millisecond, Gather: time.Millisecond,
	}
}
