package consul

import (
	"maps"
	"slices"
	"sync"

	"github.com/fairlead/fairlead/discovery"
)

// holding is what is held true of one service.
type holding struct {
	service       *discovery.Service
	index         uint64 // of the answer it comes from; 0: below that of any answer
	registrations []registration
	// live is false for what an earlier life held.
	live bool
	// fell says that the index of the last answer was below this one's: the next answer is a new beginning.
	fell bool
}

// book is what is held true of every service. Its holdings are replaced, not changed.
type book struct {
	mu       sync.Mutex
	services map[string]holding
	nodes    map[string]map[string]hint // the registrations of all holdings, by node and service ID
}

// newBook starts from the facts of an earlier life, which an answer is compared with as if this life had heard them.
func newBook(known map[string]*discovery.Service) *book {
	b := &book{services: make(map[string]holding, len(known)), nodes: map[string]map[string]hint{}}
	for name, service := range known {
		if len(service.Instances) > 0 {
			b.services[name] = holding{service: service, index: service.Index}
		}
	}
	return b
}

func (b *book) get(name string) holding {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.services[name]
}

// put replaces what is held; an answer without any registration is not held.
func (b *book) put(name string, h holding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.services[name].registrations {
		b.strike(name, r)
	}
	if len(h.service.Instances) == 0 && len(h.registrations) == 0 {
		delete(b.services, name)
		return
	}
	b.services[name] = h
	for _, r := range h.registrations {
		if b.nodes[r.node] == nil {
			b.nodes[r.node] = map[string]hint{}
		}
		b.nodes[r.node][r.id] = hint{service: name, modify: r.modify}
	}
}

// strike takes a registration of a service off its node, unless the ID is another service's by now. Its caller holds the lock.
func (b *book) strike(name string, r registration) {
	on := b.nodes[r.node]
	if on[r.id].service != name {
		return
	}
	delete(on, r.id)
	if len(on) == 0 {
		delete(b.nodes, r.node)
	}
}

// fall notes that an answer's index was below the one held.
func (b *book) fall(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h, held := b.services[name]; held {
		h.fell = true
		b.services[name] = h
	}
}

// beginAnew makes what is held comparable with any index, since Consul's began anew: an empty answer whose index happens to be the
// one held tells no less than another.
func (b *book) beginAnew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, h := range b.services {
		h.index, h.fell = 0, false
		b.services[name] = h
	}
}

// size returns the number of services of which something is held.
func (b *book) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.services)
}

// names returns every service of which something is held.
func (b *book) names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]string, 0, len(b.services))
	for name := range b.services {
		out = append(out, name)
	}
	return out
}

// facts returns every service that has instances.
func (b *book) facts() map[string]*discovery.Service {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]*discovery.Service, len(b.services))
	for name, h := range b.services {
		if len(h.service.Instances) > 0 {
			out[name] = h.service
		}
	}
	return out
}

// ailing returns the services held from an answer of after since in which an instance is in a state of checks.
func (b *book) ailing(state string, since uint64) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for name, h := range b.services {
		if h.index <= since {
			continue
		}
		if slices.ContainsFunc(h.service.Instances, func(i discovery.Instance) bool { return checkState(i.Health) == state }) {
			out = append(out, name)
		}
	}
	return out
}

// on returns the registrations on a node by service ID.
func (b *book) on(node string) map[string]hint {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.nodes[node])
}

// occupied returns the nodes on which something is registered.
func (b *book) occupied() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.nodes))
}

// witness returns a service with a present instance, other than name, that names lacks, and the index to compare with.
func (b *book) witness(name string, names map[string]anything) (string, uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for other, h := range b.services {
		if _, listed := names[other]; listed || other == name || h.index == 0 {
			continue
		}
		for i := range h.service.Instances {
			if h.service.Instances[i].Present() {
				return other, h.index, true
			}
		}
	}
	return "", 0, false
}
