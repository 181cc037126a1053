package docker

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// patience is how long a test waits for what must happen: nothing is measured by it.
const patience = 30 * time.Second

// observer runs a source and keeps what it reports.
type observer struct {
	*Source

	mu       sync.Mutex
	services map[string]*discovery.Service
	status   discovery.SourceStatus
	complete bool
	trusted  bool // every update was
	updates  int
	changes  int // updates that named a service
	signal   chan struct{}
}

// quick are settings for a scripted engine.
func quick(s *script) Config {
	return Config{
		Cluster: "live", Node: "web1", Host: "unix://" + s.socket, Advertise: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Interval: 200 * time.Millisecond, Timeout: patience, Settle: 5 * time.Millisecond, Gather: time.Millisecond,
		Patience: patience, Survive: 100 * time.Millisecond, BackoffMin: 5 * time.Millisecond, BackoffMax: 50 * time.Millisecond,
	}
}

// impatient is for engines that hang.
func impatient(c *Config) { c.Timeout = time.Second }

func observe(t *testing.T, c Config, known map[string]*discovery.Service) *observer {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	o := &observer{Source: s, services: map[string]*discovery.Service{}, trusted: true, signal: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, known, o.take) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("Run returned %v", err)
		}
	})
	return o
}

func (o *observer) take(u discovery.Update) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.updates++
	if len(u.Services) > 0 {
		o.changes++
		o.trusted = o.trusted && u.Trusted
	}
	if u.Complete {
		o.complete, o.services = true, map[string]*discovery.Service{}
	}
	maps.Copy(o.services, u.Services)
	maps.DeleteFunc(o.services, func(_ string, s *discovery.Service) bool { return len(s.Instances) == 0 })
	o.status = u.Status
	select {
	case o.signal <- struct{}{}:
	default:
	}
}

// until waits until the observer has seen something.
func (o *observer) until(t *testing.T, what string, seen func(*observer) bool) {
	t.Helper()
	late := time.After(patience)
	for {
		o.mu.Lock()
		ok := seen(o)
		o.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-o.signal:
		case <-late:
			o.mu.Lock()
			defer o.mu.Unlock()
			t.Fatalf("%s: not seen; services\n%s\nstatus %+v", what, show(o.services), o.status)
		}
	}
}

// ready waits for the first complete report.
func (o *observer) ready(t *testing.T) {
	t.Helper()
	o.until(t, "the first complete report", func(o *observer) bool { return o.complete })
}

// instance returns the only instance of a service, nil if there is none or several.
func (o *observer) instance(service string) *discovery.Instance {
	if s := o.services[service]; s != nil && len(s.Instances) == 1 {
		return &s.Instances[0]
	}
	return nil
}

// healthy reports whether the service has so many passing instances.
func (o *observer) passing(service string, want int) bool {
	n := 0
	if s := o.services[service]; s != nil {
		for _, i := range s.Instances {
			if i.Health == discovery.Passing {
				n++
			}
		}
	}
	return n == want
}

func show(services map[string]*discovery.Service) string {
	var lines []string
	for _, s := range services {
		for _, i := range s.Instances {
			lines = append(lines, i.Service+" "+i.ID+" "+i.HostPort()+" "+i.Health.String()+" "+i.HealthNote)
		}
	}
	return strings.Join(lines, "\n")
}

// eventually waits until something holds that nobody tells of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%s: not seen", what)
		}
	}
}
