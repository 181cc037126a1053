package discovery

import (
	"cmp"
	"slices"
	"time"
)

// ledger is all that a catalog knows: what each source said last, what follows from that, and what is held in doubt. It reads no
// clock and does no I/O; methods that change it return the names of the services whose facts may differ now. The mass rule is in mass.go.
type ledger struct {
	cluster string
	rule    massRule
	feeds   []*feed
	// plain holds what the feeds say together; ids counts the services in which an instance ID stands there.
	plain map[string]*Service
	ids   map[string]int
	// present counts the present instances in plain, onNode those of each node.
	present int
	onNode  map[string]int
	window  []departure
	masses  []*mass
	holds   map[string]*hold            // by instance ID
	held    map[string]map[string]*hold // by service and instance ID
	came    map[string]time.Time        // by instance ID, those that came to their address within the window
	// shared is what Facts.Shared is to be; it is replaced, not changed.
	shared map[string][]*Instance
}

func newLedger(cluster string, rule massRule, sources []Source) *ledger {
	l := &ledger{
		cluster: cluster, rule: rule,
		plain: map[string]*Service{}, ids: map[string]int{}, onNode: map[string]int{},
		holds: map[string]*hold{}, held: map[string]map[string]*hold{}, came: map[string]time.Time{}, shared: map[string][]*Instance{},
	}
	for _, s := range sources {
		l.feeds = append(l.feeds, &feed{services: map[string]*Service{}, status: SourceStatus{Name: s.Name()}})
	}
	return l
}

// change is a service whose merged instances differ from before.
type change struct {
	name    string
	was, is *Service
}

// apply takes in what a feed says.
func (l *ledger) apply(now time.Time, f *feed, u Update) (dirty []string) {
	changes := l.changes(f.take(u))
	gone := l.departures(now, changes)
	l.greet(now, changes)
	for _, c := range changes {
		l.commit(c)
		dirty = append(dirty, c.name)
	}
	if len(l.holds) > 0 {
		dirty = append(dirty, l.welcome(changes)...)
	}
	if u.Trusted {
		return dirty
	}
	gone = slices.DeleteFunc(gone, func(d departure) bool { return l.ids[d.instance.ID] > 0 })
	return append(dirty, l.depart(now, gone)...)
}

// changes merges the touched services anew and returns those that are not what they were.
func (l *ledger) changes(touched []string) []change {
	var changes []change
	for _, name := range touched {
		is := merge(name, l.feeds)
		if was := l.plain[name]; !sameInstances(was, is) {
			changes = append(changes, change{name, was, is})
		}
	}
	return changes
}

// departures lists the present instances that the changes remove from their service, before any of them is committed.
func (l *ledger) departures(now time.Time, changes []change) []departure {
	var gone []departure
	for _, c := range changes {
		for _, i := range missing(instances(c.was), instances(c.is)) {
			if i.Present() {
				gone = append(gone, departure{at: now, service: c.name, instance: i, present: l.present, onNode: l.onNode[i.Node]})
			}
		}
	}
	return gone
}

// commit makes a change part of plain.
func (l *ledger) commit(c change) {
	l.count(c.was, -1)
	l.count(c.is, 1)
	if c.is == nil {
		delete(l.plain, c.name)
	} else {
		l.plain[c.name] = c.is
	}
}

// count adds a service's instances to the counters, or takes them away.
func (l *ledger) count(s *Service, by int) {
	for i := range instances(s) {
		instance := &s.Instances[i]
		if l.ids[instance.ID] += by; l.ids[instance.ID] == 0 {
			delete(l.ids, instance.ID)
		}
		if !instance.Present() {
			continue
		}
		l.present += by
		if l.onNode[instance.Node] += by; l.onNode[instance.Node] == 0 {
			delete(l.onNode, instance.Node)
		}
	}
}

// welcome ends the holds of instances that the changes bring back.
func (l *ledger) welcome(changes []change) (dirty []string) {
	for _, c := range changes {
		for _, i := range instances(c.is) {
			if h := l.holds[i.ID]; h != nil {
				dirty = append(dirty, l.drop(h))
			}
		}
	}
	return dirty
}

// release lets a held instance go for good: it no longer counts towards a mass either.
func (l *ledger) release(h *hold) (service string) {
	for i := range l.window {
		if l.window[i].instance.ID == h.instance.ID {
			l.window[i].settled = true
		}
	}
	return l.drop(h)
}

// drop ends a hold, and its mass with the last one.
func (l *ledger) drop(h *hold) (service string) {
	service = h.service
	delete(l.holds, h.instance.ID)
	delete(l.held[service], h.instance.ID)
	if len(l.held[service]) == 0 {
		delete(l.held, service)
	}
	if h.mass.held--; h.mass.held == 0 {
		l.masses = slices.DeleteFunc(l.masses, func(m *mass) bool { return m == h.mass })
		l.unshare(h.mass)
	}
	return service
}

// accept releases what is held of a service, or (empty) everything.
func (l *ledger) accept(service string) (dirty []string) {
	for _, h := range l.holds {
		if service == "" || h.service == service {
			dirty = append(dirty, l.release(h))
		}
	}
	return dirty
}

// expire releases the holds whose time is up.
func (l *ledger) expire(now time.Time) (dirty []string) {
	for _, h := range l.holds {
		if !now.Before(h.mass.until) {
			dirty = append(dirty, l.release(h))
		}
	}
	return dirty
}

// view returns a service as it is published: its plain instances and the held ones, or nil if there is none.
func (l *ledger) view(name string) *Service {
	plain, held := l.plain[name], l.held[name]
	if len(held) == 0 {
		return plain
	}
	view := &Service{Name: name, Instances: slices.Clone(instances(plain))}
	if plain != nil {
		view.Index = plain.Index
	}
	for _, h := range held {
		view.Instances = append(view.Instances, h.instance)
	}
	slices.SortFunc(view.Instances, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	return view
}

// ready reports whether every feed has been heard.
func (l *ledger) ready() bool {
	return !slices.ContainsFunc(l.feeds, func(f *feed) bool { return !f.heard })
}

// statuses returns the state of every source, in their order.
func (l *ledger) statuses() []SourceStatus {
	all := make([]SourceStatus, len(l.feeds))
	for i, f := range l.feeds {
		all[i] = f.status
	}
	return all
}

// doubts returns the masses held, oldest first.
func (l *ledger) doubts() []Doubt {
	var all []Doubt
	for _, m := range l.masses {
		all = append(all, m.doubt(l.cluster))
	}
	return all
}

// instances returns a service's instances, none for nil.
func instances(s *Service) []Instance {
	if s == nil {
		return nil
	}
	return s.Instances
}
