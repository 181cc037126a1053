package pool

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/discovery"
)

// The Meta keys that count: the domains of a service, going on in domain_2, domain_3 and so on; a member's priority; and, by
// this prefix, the settings of its pool.
const (
	metaDomain   = "domain"
	metaPriority = "priority"
	metaSetting  = "fairlead_"
)

// meta is what the copies of a service say together.
type meta struct {
	domains  []string
	settings Settings
	notes    []string
}

// readMeta reads the Meta of all copies of a service. Where they differ, the copy that was registered last holds the value, so
// that a rolling release brings its own settings with it; a key it does not have is taken from the copies that do.
func (p *policy) readMeta(s *discovery.Service) meta {
	said := map[string]*saying{}
	for i := range s.Instances {
		instance := &s.Instances[i]
		hear(said, metaDomain, domainList(instance), instance)
		for k, v := range instance.Meta {
			if strings.HasPrefix(k, metaSetting) {
				hear(said, k, v, instance)
			}
		}
	}
	var m meta
	for _, k := range slices.Sorted(maps.Keys(said)) {
		if !p.counts(k) {
			m.notes = append(m.notes, fmt.Sprintf("%s: does not count, by the configuration of the cluster", k))
			continue
		}
		saying := said[k]
		if saying.differs || saying.copies < len(s.Instances) {
			m.notes = append(m.notes, fmt.Sprintf("%s: copies of the service differ; %q of %s, registered last, holds",
				k, saying.value, saying.by.ID))
		}
		if k == metaDomain {
			m.domains = splitList(saying.value)
			continue
		}
		if m.settings == nil {
			m.settings = Settings{}
		}
		m.settings[strings.TrimPrefix(k, metaSetting)] = saying.value
	}
	return m
}

// saying is the value of a Meta key, as the copies of a service have it.
type saying struct {
	value   string
	by      *discovery.Instance
	copies  int
	differs bool
}

func hear(said map[string]*saying, k, v string, by *discovery.Instance) {
	if v == "" {
		return
	}
	old := said[k]
	if old == nil {
		said[k] = &saying{value: v, by: by, copies: 1}
		return
	}
	old.copies++
	old.differs = old.differs || old.value != v
	if by.CreateIndex > old.by.CreateIndex || by.CreateIndex == old.by.CreateIndex && by.ID > old.by.ID {
		old.value, old.by = v, by
	}
}

// mostMeta is how many Meta pairs Consul allows a service.
const mostMeta = 64

// domainList returns the domains an instance claims, as one comma-separated value.
func domainList(i *discovery.Instance) string {
	list, more := i.Meta[metaDomain], 0
	for k := range i.Meta {
		if strings.HasPrefix(k, metaDomain+"_") {
			more++
		}
	}
	for n := 2; more > 0 && n <= mostMeta; n++ {
		if next, ok := i.Meta[metaDomain+"_"+strconv.Itoa(n)]; ok {
			list += "," + next
			more--
		}
	}
	return strings.TrimPrefix(list, ",")
}

func splitList(list string) (items []string) {
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// priority returns a member's priority: what its Meta says, else that of the highest of its tags, else 0.
func (p *policy) priority(i *discovery.Instance, spec *Spec) (priority int, problem string) {
	if text := i.Meta[metaPriority]; text != "" && p.counts(metaPriority) {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err == nil && n >= 0 && n <= 1000 {
			return n, ""
		}
		problem = fmt.Sprintf("meta of %s: priority %q: want a whole number from 0 to 1000", i.ID, text)
	}
	for _, tag := range i.Tags {
		priority = max(priority, spec.Priorities[tag])
	}
	return priority, problem
}
