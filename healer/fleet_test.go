package healer

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// fleet is a simulated cluster: hosts, a Swarm over them, a plain engine on one of them, and a catalog that knows at once. It checks
// what is done to it.
type fleet struct {
	t  *testing.T
	mu sync.Mutex

	hosts  map[string]bool // true for those that live
	held   map[string]bool // those that Swarm places nothing on
	boxes  []*box
	apps   map[string]*app
	serial int
	deaf   error // of every engine

	doubt   string
	doubted time.Time // when it was last in doubt
	facts   *discovery.Facts
	changed []chan struct{}

	done []Action
	at   []time.Time
	bad  []string // what should not have happened
}

// box is a container.
type box struct {
	id, name, domain, host string
	slot, generation       int
	running, critical      bool
	since                  time.Time
}

// app is a service.
type app struct {
	service  *Service
	replicas int
	fence    uint64
	busy     string
	broken   bool  // what is started never gets well
	refuses  error // of the engine for what is to be started
}

func newFleet(t *testing.T, hosts ...string) *fleet {
	f := &fleet{t: t, hosts: map[string]bool{}, held: map[string]bool{}, apps: map[string]*app{}, facts: discovery.NoFacts("live")}
	for _, host := range hosts {
		f.hosts[host] = true
	}
	return f
}

// change does something to the cluster; then Swarm schedules and the catalog hears of it.
func (f *fleet) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	f.settle()
}

func (f *fleet) settle() {
	for _, domain := range slices.Sorted(maps.Keys(f.apps)) {
		if a := f.apps[domain]; a.service.Run.Swarm != "" {
			f.schedule(a)
		}
	}
	f.publish()
}

// schedule does what Swarm does: keep a task running in each slot.
func (f *fleet) schedule(a *app) {
	living := slices.DeleteFunc(slices.Sorted(maps.Keys(f.hosts)), func(host string) bool { return !f.hosts[host] || f.held[host] })
	for _, b := range f.boxes {
		if b.domain == a.service.Domain && (b.slot > a.replicas || !f.hosts[b.host]) {
			b.running = false
		}
	}
	for slot := 1; slot <= a.replicas && len(living) > 0; slot++ {
		if f.running(a.service.Domain, slot) == nil && a.refuses == nil {
			f.serial++
			f.start(a, slot, 0, fmt.Sprintf("%s.%d.%d", a.service.Run.Swarm, slot, f.serial), living[f.serial%len(living)])
		}
	}
}

func (f *fleet) start(a *app, slot, generation int, name, host string) {
	f.serial++
	f.boxes = append(f.boxes, &box{
		id: fmt.Sprintf("%012d%052d", f.serial, 0), name: name, domain: a.service.Domain, host: host, slot: slot, generation: generation,
		running: true, critical: a.broken, since: time.Now(),
	})
}

// running returns the running container of a slot, or nil.
func (f *fleet) running(domain string, slot int) *box {
	for _, b := range f.boxes {
		if b.domain == domain && b.slot == slot && b.running {
			return b
		}
	}
	return nil
}

// publish makes the facts anew. Containers of dead hosts stay registered, and critical by the check of their node.
func (f *fleet) publish() {
	next := &discovery.Facts{Cluster: "live", Version: f.facts.Version + 1, Ready: true, Services: map[string]*discovery.Service{},
		Sources: []discovery.SourceStatus{{Name: "fleet", Ready: true}}}
	if f.doubt != "" {
		next.Sources[0].Doubts = []discovery.Doubt{{Kind: discovery.SourceDoubt, Reason: f.doubt}}
		f.doubted = time.Now()
	}
	add := func(service, host, id string, health discovery.Health, note string, meta map[string]string) {
		s := next.Services[service]
		if s == nil {
			s = &discovery.Service{Name: service}
			next.Services[service] = s
		}
		if !f.hosts[host] {
			health, note = discovery.Critical, "Serf Health Status is critical"
		}
		s.Instances = append(s.Instances, discovery.Instance{ID: discovery.InstanceID("live", host, id), Cluster: "live", Node: host,
			Service: service, ServiceID: id, Address: "192.0.2.1", Port: 80, Health: health, HealthNote: note, Meta: meta})
	}
	for host := range f.hosts {
		add("agent", host, "agent", discovery.Passing, "", nil)
	}
	for _, b := range f.boxes {
		health, note := discovery.Passing, ""
		if b.critical {
			health, note = discovery.Critical, "http is critical"
		}
		if b.running {
			add(b.domain, b.host, b.host+":"+b.name+":80", health, note, map[string]string{discovery.MetaContainer: b.id})
		}
	}
	f.facts = next
	for _, c := range f.changed {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Facts and Subscribe make the fleet a Catalog.
func (f *fleet) Facts() *discovery.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.facts
}

func (f *fleet) Subscribe() (<-chan struct{}, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan struct{}, 1)
	f.changed = append(f.changed, c)
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed = slices.DeleteFunc(f.changed, func(other chan struct{}) bool { return other == c })
	}
}

func (f *fleet) setDoubt(why string) {
	f.change(func() {
		if why == "" && f.doubt != "" {
			f.doubted = time.Now()
		}
		f.doubt = why
	})
}

// swarm adds a Swarm service that runs as wanted, plain one on a plain engine.
func (f *fleet) swarm(domain string, count int) *Service {
	s := &Service{Domain: domain, Cluster: "live", Count: count, Run: Run{Swarm: domain}}
	f.change(func() { f.apps[domain] = &app{service: s, replicas: count} })
	return s
}

func (f *fleet) plain(domain, host string, count int) *Service {
	s := &Service{Domain: domain, Cluster: "live", Count: count, Run: Run{Image: "i:1", Host: host}}
	f.change(func() {
		a := &app{service: s}
		f.apps[domain] = a
		for slot := 1; slot <= count; slot++ {
			f.start(a, slot, 1, fmt.Sprintf("%s.%d.1", domain, slot), host)
		}
	})
	return s
}

// kill ends the container of a slot, if one runs.
func (f *fleet) kill(domain string, slot int) {
	f.change(func() {
		if b := f.running(domain, slot); b != nil {
			b.running = false
		}
	})
}

// present counts as the healer does.
func (f *fleet) present(s *Service) int {
	return Look(f.Facts(), []*Service{s}).Sights[s.Domain].Present
}

// actions returns how many have been carried out.
func (f *fleet) actions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.done)
}

// violated notes what should not have happened; its caller holds the lock.
func (f *fleet) violated(format string, args ...any) {
	f.bad = append(f.bad, fmt.Sprintf(format, args...))
}

func (f *fleet) check() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, bad := range f.bad {
		f.t.Error(bad)
	}
}
