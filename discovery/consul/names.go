package consul

import (
	"context"
	"math"
	"sync/atomic"
)

const (
	namesPath = "/v1/catalog/services"
	// ownService is what Consul's servers register themselves as.
	ownService = "consul"
)

// anything is a JSON value nobody looks at.
type anything struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (anything) UnmarshalJSON([]byte) error { return nil }

// nameList reads the list of names for several callers at once: whoever came before a read began shares its answer, and so does whoever
// is content with the index it has. The list grows with the catalog, and a thousand services that vanish together ask for it a thousand
// times.
type nameList struct {
	client *client
	saw    func(map[string]anything)
	fell   func()        // the index went backwards between two reads
	gate   chan struct{} // capacity 1: held by the one who reads
	began  atomic.Uint64

	// Of the last read, guarded by gate.
	number uint64
	last   *names
	index  uint64 // of the last good one
	err    error
}

// names is one answer: the names of all services, read-only.
type names struct {
	has   map[string]anything
	index uint64
	// honest is set once a witness has shown that this answer does not lie.
	honest atomic.Bool
}

func newNameList(c *client, saw func(map[string]anything), fell func()) *nameList {
	return &nameList{client: c, saw: saw, fell: fell, gate: make(chan struct{}, 1)}
}

// newest as a least index asks for an answer from now on, of which the leader has made sure.
const newest = math.MaxUint64

// get returns the names as they stand now, or stood at the least index or later.
func (l *nameList) get(ctx context.Context, least uint64) (*names, error) {
	came := l.began.Load()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case l.gate <- struct{}{}:
		defer func() { <-l.gate }()
	}
	if l.number > came || l.err == nil && l.index >= least {
		return l.last, l.err
	}
	l.number = l.began.Add(1)
	l.last, l.err = l.read(ctx)
	return l.last, l.err
}

func (l *nameList) read(ctx context.Context) (*names, error) {
	is := new(names)
	got, err := l.client.read(ctx, namesPath, ask{consistent: true}, &is.has)
	if err == nil && is.has == nil {
		err = errNull
	}
	if err != nil {
		return nil, err
	}
	l.saw(is.has)
	if got.index < l.index {
		l.fell()
	}
	l.index, is.index = got.index, got.index
	return is, nil
}

// beginAnew makes the next answer comparable with none before. Nobody else reads meanwhile.
func (l *nameList) beginAnew() { l.index = 0 }
