package registrar

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// desired is what ought to be registered, as a source has told it in this life.
type desired struct {
	services map[string]*discovery.Service
	ready    bool
	doubts   []discovery.Doubt
	refused  []string
	// kept are the instances that left the source while it was in doubt, by service ID: they stay until it is believed again.
	kept map[string]discovery.Instance
	// removed are the instances that left, by service ID, until the agent is seen without them for good.
	removed map[string]departure
	// now are the instances of services by service ID, and twice the IDs that two of them claim.
	now   map[string]*discovery.Instance
	twice map[string]bool
}

// departure is an instance that left.
type departure struct {
	service string
	at      time.Time
}

func newDesired() *desired {
	return &desired{
		services: map[string]*discovery.Service{},
		kept:     map[string]discovery.Instance{},
		removed:  map[string]departure{},
		now:      map[string]*discovery.Instance{},
	}
}

// take brings it up to date. An instance that is gone is gone at once, by its source's own word, unless that word is in doubt or not
// complete yet.
func (d *desired) take(now time.Time, u discovery.Update) {
	d.doubts, d.refused = u.Status.Doubts, u.Status.Refused
	d.ready = d.ready || u.Complete || u.Status.Ready
	for name, s := range u.Services {
		if s == nil || len(s.Instances) == 0 {
			delete(d.services, name)
		} else {
			d.services[name] = s
		}
	}
	if u.Complete {
		maps.DeleteFunc(d.services, func(name string, _ *discovery.Service) bool { return u.Services[name] == nil })
	}
	before := d.now
	d.now, d.twice = byServiceID(d.services)
	for id, i := range before {
		if d.now[id] == nil {
			d.kept[id] = *i
		}
	}
	for id, i := range d.kept {
		switch {
		case d.now[id] != nil:
			delete(d.kept, id)
		case d.believed(i.Service):
			delete(d.kept, id)
			d.removed[id] = departure{i.Service, now}
		}
	}
	for id := range d.now {
		delete(d.removed, id)
	}
}

// believed reports whether it counts that an instance of a service is missing.
func (d *desired) believed(service string) bool {
	return d.ready && !slices.ContainsFunc(d.doubts, func(doubt discovery.Doubt) bool { return doubt.Service == "" || doubt.Service == service })
}

// complete reports whether everything the source knows is in it, without any doubt.
func (d *desired) complete() bool { return d.ready && len(d.doubts) == 0 }

// trouble returns why the source is not believed as a whole, or nothing.
func (d *desired) trouble() string {
	for _, doubt := range d.doubts {
		if doubt.Service == "" {
			return doubt.Reason
		}
	}
	if !d.ready {
		return "not heard completely yet"
	}
	return ""
}

// build makes the services that ought to be in the agent, by ID.
func (d *desired) build(c Config, o identity) map[string]*service {
	all := make(map[string]*service, len(d.now)+len(d.kept))
	for id, i := range d.kept {
		all[id] = c.build(o, &i)
	}
	for id, i := range d.now {
		s := c.build(o, i)
		if s.refused == nil && d.twice[id] {
			s.refused = fmt.Errorf("two instances claim the service ID %q: give each its own", id)
		}
		all[id] = s
	}
	return all
}

// byServiceID orders instances by service ID. Of two that claim one the first is taken, by service, address and port; none of them is
// registered anew.
func byServiceID(services map[string]*discovery.Service) (all map[string]*discovery.Instance, twice map[string]bool) {
	all, twice = map[string]*discovery.Instance{}, map[string]bool{}
	for _, s := range services {
		for n := range s.Instances {
			i := &s.Instances[n]
			other := all[i.ServiceID]
			if other != nil {
				twice[i.ServiceID] = true
			}
			if other == nil || before(i, other) {
				all[i.ServiceID] = i
			}
		}
	}
	return all, twice
}

func before(a, b *discovery.Instance) bool {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port)) < 0
}
