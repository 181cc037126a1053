package consul

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// observer runs a source and holds what it reports, as the catalog does.
type observer struct {
	mu       sync.Mutex
	services map[string]*discovery.Service
	status   discovery.SourceStatus
	complete bool
	updates  int
	changed  chan struct{}
}

// observe runs a source until the test ends.
func observe(t testing.TB, c Config, known map[string]*discovery.Service) *observer {
	t.Helper()
	if c.Cluster == "" {
		c.Cluster = "live"
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	o := newObserver()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, known, o.report) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != context.Canceled {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run does not end")
		}
	})
	return o
}

func newObserver() *observer {
	return &observer{services: map[string]*discovery.Service{}, changed: make(chan struct{}, 1)}
}

func (o *observer) report(u discovery.Update) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if u.Complete {
		o.complete = true
		clear(o.services)
	}
	maps.Copy(o.services, u.Services)
	maps.DeleteFunc(o.services, func(_ string, s *discovery.Service) bool { return len(s.Instances) == 0 })
	o.status = u.Status
	o.updates++
	wake(o.changed)
}

// until waits for what is to become true, and fails the test if it does not.
func (o *observer) until(t testing.TB, what string, ok func(o *observer) bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for {
		o.mu.Lock()
		now := ok(o)
		o.mu.Unlock()
		if now {
			return
		}
		select {
		case <-o.changed:
		case <-time.After(5 * time.Millisecond): // what is waited for may be another's doing
		case <-deadline.C:
			o.mu.Lock()
			defer o.mu.Unlock()
			t.Fatalf("never came: %s\nservices %v\nstatus %+v", what, o.services, o.status)
		}
	}
}

// instance returns the only instance of a service, or nil. Its caller holds the lock.
func (o *observer) instance(service string) *discovery.Instance {
	s := o.services[service]
	if s == nil || len(s.Instances) != 1 {
		return nil
	}
	return &s.Instances[0]
}

// doubts reports whether there is a doubt of the kind about the service whose reason contains text. Its caller holds the lock.
func (o *observer) doubts(kind discovery.DoubtKind, service, text string) bool {
	for _, d := range o.status.Doubts {
		if d.Kind == kind && d.Service == service && strings.Contains(d.Reason, text) {
			return true
		}
	}
	return false
}
