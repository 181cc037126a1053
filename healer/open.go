package healer

import (
	"maps"
	"slices"
)

// opened is what Open returns.
type opened struct {
	notices    []Notice
	all, known bool
}

// Open returns what people have been told of and is not over, as far as this healer speaks of it. all says that nothing else is open: a
// healer that does not act leaves its services' matters to the one that does. known is false while nobody can tell. notices is read-only.
func (s *Supervisor) Open() (notices []Notice, all, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened.notices, s.opened.all, s.opened.known
}

// open returns what is open after a round.
func open(in *Input, result *Result) opened {
	if in.Book == nil {
		return opened{}
	}
	matters := maps.Clone(result.Memory.matters)
	if in.Leading {
		own := in.Book.matters.Open
		if result.Matters != nil {
			own = result.Matters.Open
		}
		maps.Copy(matters, own)
	}
	o := opened{all: in.Leading, known: true}
	for _, key := range slices.Sorted(maps.Keys(matters)) {
		o.notices = append(o.notices, matters[key].Notice)
	}
	return o
}
