package egress

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const shards = 32

// idle holds the unused connections of all members, in shards so that busy members do not wait for one lock.
type idle struct {
	seed      maphash.Seed
	total     atomic.Int64
	perMember int
	most      int64
	shards    [shards]shard
}

type shard struct {
	mu    sync.Mutex
	lists map[key][]*Conn // oldest first
	_     [40]byte        // a cache line each
}

func newIdle(perMember, total int) *idle {
	i := &idle{seed: maphash.MakeSeed(), perMember: perMember, most: int64(total)}
	for n := range i.shards {
		i.shards[n].lists = map[key][]*Conn{}
	}
	return i
}

func (i *idle) shard(k key) *shard {
	return &i.shards[maphash.String(i.seed, k.id)%shards]
}

// take returns the connection that was used last, or nil.
func (i *idle) take(k key) *Conn {
	s := i.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.lists[k]
	n := len(list)
	if n == 0 {
		return nil
	}
	c := list[n-1]
	list[n-1] = nil
	s.lists[k] = list[:n-1]
	i.total.Add(-1)
	return c
}

// put keeps c, and reports false where there is no room for it.
func (i *idle) put(c *Conn) bool {
	if i.total.Add(1) > i.most {
		i.total.Add(-1)
		return false
	}
	s := i.shard(c.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.lists[c.key]
	if len(list) >= i.perMember {
		i.total.Add(-1)
		return false
	}
	s.lists[c.key] = append(list, c)
	return true
}

// sweep takes out the connections whose time is over and all those of members that gone names, and returns them for closing.
// A list is in the order of its last use, so that what expires stands in front, but for members whose time was made shorter.
func (i *idle) sweep(now time.Time, gone func(key) bool) (out []*Conn) {
	for n := range i.shards {
		s := &i.shards[n]
		s.mu.Lock()
		for k, list := range s.lists {
			expired := 0
			if gone != nil && gone(k) {
				expired = len(list)
			}
			for expired < len(list) && !list[expired].expires.After(now) {
				expired++
			}
			out = append(out, list[:expired]...)
			if expired == len(list) {
				delete(s.lists, k)
				continue
			}
			rest := copy(list, list[expired:])
			clear(list[rest:])
			s.lists[k] = list[:rest]
		}
		s.mu.Unlock()
	}
	i.total.Add(int64(-len(out)))
	return out
}

// members returns the keys that have idle connections.
func (i *idle) members() map[key]bool {
	keys := map[key]bool{}
	for n := range i.shards {
		s := &i.shards[n]
		s.mu.Lock()
		for k := range s.lists {
			keys[k] = true
		}
		s.mu.Unlock()
	}
	return keys
}
