package faults

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// people receive the notices.
type people struct {
	url string

	mu   sync.Mutex
	told []notice
	ids  map[string]bool
}

type notice struct {
	ID, Key, Event, Service, Text, Kind string
	Resolved                            bool
	at                                  time.Time
}

func newPeople(t *testing.T) *people {
	p := &people{ids: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n := notice{at: time.Now()}
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Errorf("a notice that is no JSON: %v", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.ids[n.ID] { // delivery is at least once
			p.ids[n.ID] = true
			p.told = append(p.told, n)
		}
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// heard returns the first notices of an event about a service since; repeats, updates and ends are left out.
func (p *people) heard(event, service string, since time.Time) (all []notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.told {
		if n.Event == event && n.Service == service && n.Kind == "first" && n.at.After(since) {
			all = append(all, n)
		}
	}
	return slices.Clone(all)
}

// worried reports whether people were told of an event about a service, and not yet that it is over.
func (p *people) worried(event, service string) (is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.told {
		if n.Event == event && n.Service == service {
			is = !n.Resolved
		}
	}
	return is
}
