package healer

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// epoch is when the tests of Plan begin.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// scene is a cluster as Plan sees it, to be changed between rounds.
type scene struct {
	t   *testing.T
	now time.Time
	in  Input

	doubt     string // of the whole cluster
	instances map[string][]discovery.Instance
	observed  map[string]Observation
	deaf      error
}

// newScene is a cluster that has been led for an hour, with one Swarm service "shop" of count 3.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, now: epoch, instances: map[string][]discovery.Instance{}, observed: map[string]Observation{}}
	s.in = Input{
		Cluster: "live", Self: "me", Leading: true, LeadingSince: epoch.Add(-time.Hour), Book: &Book{Records: map[string]*Record{}},
		Services: []*Service{{Domain: "shop.example.com", Cluster: "live", Count: 3, Run: Run{Swarm: "shop"}}},
	}
	return s
}

const shop = "shop.example.com"

// register adds an instance of a service, for a container.
func (s *scene) register(service, node, container string, health discovery.Health, note string) {
	id := node + ":" + container + ":80"
	s.instances[service] = append(s.instances[service], discovery.Instance{
		ID: discovery.InstanceID("live", node, id), Cluster: "live", Node: node, Service: service, ServiceID: id,
		Address: "192.0.2.1", Port: 80, Health: health, HealthNote: note,
	})
}

// copies sets what Swarm says: as many running tasks as named, one in each slot.
func (s *scene) copies(service string, replicas int, names ...string) {
	o := Observation{Replicas: replicas, Fence: 7}
	for i, name := range names {
		o.Copies = append(o.Copies, Copy{ID: "id-" + name, Name: name, Slot: i + 1, Node: "n" + fmt.Sprint(i+1), Running: true})
	}
	s.observed[service] = o
}

func (s *scene) facts() *discovery.Facts {
	f := &discovery.Facts{Cluster: "live", Ready: true, Services: map[string]*discovery.Service{},
		Sources: []discovery.SourceStatus{{Name: "test", Ready: true}}}
	if s.doubt != "" {
		f.Sources[0].Doubts = []discovery.Doubt{{Kind: discovery.SourceDoubt, Reason: s.doubt}}
	}
	for name, instances := range s.instances {
		f.Services[name] = &discovery.Service{Name: name, Instances: slices.Clone(instances)}
	}
	return f
}

// plan makes one round and keeps what follows, as the Supervisor would.
func (s *scene) plan() *Result {
	s.t.Helper()
	in := s.in
	in.Wall = s.now
	in.View = Look(s.facts(), in.Services)
	in.Reads = map[string]Read{}
	for _, service := range in.Services {
		in.Reads[service.Domain] = Read{At: s.now, Observation: s.observed[service.Domain], Err: s.deaf}
	}
	r := Plan(s.now, &in)
	s.in.Memory = r.Memory
	if s.in.Book != nil {
		book := *s.in.Book
		book.Records = maps.Clone(book.Records)
		maps.Copy(book.Records, r.Records)
		for _, c := range r.Claims {
			book.Records[c.Action.Service.Domain] = c.Record
		}
		if r.Matters != nil {
			book.matters = *r.Matters
		}
		s.in.Book = &book
	}
	return r
}

// until plans every second until something is claimed, for a time at most, and returns how long that took.
func (s *scene) until(limit time.Duration) (*Result, time.Duration) {
	s.t.Helper()
	for passed := time.Duration(0); ; passed += time.Second {
		r := s.plan()
		if len(r.Claims) > 0 || passed >= limit {
			return r, passed
		}
		s.now = s.now.Add(time.Second)
	}
}

// refused plans for a while and returns the gate that refuses the service in the end; a claim is an error.
func (s *scene) refused(service string, after time.Duration) (Gate, string) {
	s.t.Helper()
	r, _ := s.until(after)
	if len(r.Claims) > 0 {
		s.t.Errorf("claimed %+v", r.Claims[0].Action)
	}
	for _, status := range r.Services {
		if status.Service == service {
			return status.Gate, status.Refusal
		}
	}
	s.t.Fatalf("no status of %s", service)
	return "", ""
}

// short is a scene in which the shop has two of three copies, and Swarm keeps two.
func shortScene(t *testing.T) *scene {
	s := newScene(t)
	s.register(shop, "n1", "a", discovery.Passing, "")
	s.register(shop, "n2", "b", discovery.Passing, "")
	s.copies(shop, 2, "a", "b")
	return s
}

// plainScene is a scene with one service of count 2 on a plain engine, both copies present.
func plainScene(t *testing.T) *scene {
	s := newScene(t)
	s.in.Services = []*Service{{Domain: "db.example.com", Cluster: "live", Count: 2, Run: Run{Image: "db:1", Host: "n1"}}}
	for slot := 1; slot <= 2; slot++ {
		s.container(slot, 1, true, discovery.Passing)
	}
	return s
}

const db = "db.example.com"

// container adds a container of the plain service, and its instance if it runs.
func (s *scene) container(slot, generation int, running bool, health discovery.Health) {
	name := fmt.Sprintf("%s.%d.%d", db, slot, generation)
	o := s.observed[db]
	o.Replicas = -1
	o.Copies = append(o.Copies, Copy{ID: "id-" + name, Name: name, Slot: slot, Generation: generation, Running: running})
	s.observed[db] = o
	if running {
		s.register(db, "n1", name, health, "")
	}
}

// kill ends a container of the plain service.
func (s *scene) kill(slot, generation int) {
	name := fmt.Sprintf("%s.%d.%d", db, slot, generation)
	o := s.observed[db]
	o.Copies = slices.Clone(o.Copies)
	for i := range o.Copies {
		if o.Copies[i].Name == name {
			o.Copies[i].Running = false
		}
	}
	s.observed[db] = o
	s.instances[db] = slices.DeleteFunc(slices.Clone(s.instances[db]), func(i discovery.Instance) bool { return i.ServiceID == "n1:"+name+":80" })
}
