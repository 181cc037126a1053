package discovery

import (
	"cmp"
	"slices"
)

// feed is what one source has said so far.
type feed struct {
	services map[string]*Service
	// heard is true once the source's facts are complete: by its own answer, or restored from the snapshot file.
	heard  bool
	status SourceStatus
}

// take brings the feed up to date and returns the names of the services it may have changed.
func (f *feed) take(u Update) []string {
	var touched []string
	for name, service := range u.Services {
		if service != nil && len(service.Instances) == 0 {
			service = nil
		}
		if f.services[name] == service {
			continue
		}
		touched = append(touched, name)
		if service == nil {
			delete(f.services, name)
		} else {
			f.services[name] = service
		}
	}
	if !u.Complete {
		return touched
	}
	f.heard = true
	for name := range f.services {
		if u.Services[name] == nil {
			delete(f.services, name)
			touched = append(touched, name)
		}
	}
	return touched
}

// merge returns what all feeds together say of a service, ordered by instance ID, or nil if it has no instance. An ID that two
// feeds claim is the first one's.
func merge(name string, feeds []*feed) *Service {
	var first *Service
	var others []*Service
	for _, f := range feeds {
		switch s := f.services[name]; {
		case s == nil:
		case first == nil:
			first = s
		default:
			others = append(others, s)
		}
	}
	if first == nil || len(others) == 0 && ordered(first.Instances) {
		return first
	}
	merged := &Service{Name: name, Instances: slices.Clone(first.Instances)}
	if len(others) == 0 {
		merged.Index = first.Index
	}
	for _, s := range others {
		merged.Instances = append(merged.Instances, s.Instances...)
	}
	slices.SortStableFunc(merged.Instances, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	merged.Instances = slices.CompactFunc(merged.Instances, func(a, b Instance) bool { return a.ID == b.ID })
	return merged
}

// ordered reports whether the instances stand in the order of their IDs, each once.
func ordered(instances []Instance) bool {
	for i := 1; i < len(instances); i++ {
		if instances[i-1].ID >= instances[i].ID {
			return false
		}
	}
	return true
}

// missing returns the instances of was whose ID is not in is; both are ordered.
func missing(was, is []Instance) []*Instance {
	var gone []*Instance
	for i := range was {
		for len(is) > 0 && is[0].ID < was[i].ID {
			is = is[1:]
		}
		if len(is) == 0 || is[0].ID != was[i].ID {
			gone = append(gone, &was[i])
		}
	}
	return gone
}
