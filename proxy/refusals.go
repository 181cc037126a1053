package proxy

import (
	"sync"
	"sync/atomic"

	"github.com/fairlead/fairlead/proxy/dispatch"
)

// refusals count the requests that no member answered, by the word of the refusal, of which there is a small set. Safe for
// concurrent use.
type refusals struct{ counts sync.Map } // *atomic.Uint64 by word

func (r *refusals) count(word string) {
	n, ok := r.counts.Load(word)
	if !ok {
		n, _ = r.counts.LoadOrStore(word, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

func (r *refusals) copy() map[string]uint64 {
	counts := map[string]uint64{}
	r.counts.Range(func(word, n any) bool {
		counts[word.(string)] = n.(*atomic.Uint64).Load()
		return true
	})
	return counts
}

// Refusals returns how many requests no member answered in this life of the process, by the word for why: a route.Code, or a
// dispatch.Cause where the request had come as far as a pool. The caller owns the map.
func (e *Edge) Refusals() map[string]uint64 {
	return e.shared.refusals.copy()
}

// RefusedUnread counts a request that was refused before it could come to Serve, because it is malformed or ambiguous.
func (e *Edge) RefusedUnread() { e.shared.refusals.count(string(dispatch.BadRequest)) }
