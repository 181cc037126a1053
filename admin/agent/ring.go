package agent

import (
	"context"
	"sync"
)

// The bounds of what waits for one viewer.
const (
	mostItems = 1000
	mostBytes = 1 << 20
)

// ring holds what waits for a viewer, bounded. What comes when it is full takes the place of the oldest, or waits.
type ring[T any] struct {
	size func(T) int // in bytes

	mu      sync.Mutex
	items   []T
	bytes   int
	dropped uint64 // since the last take
	ended   bool
	err     error
	filled  chan struct{} // capacity 1: there is something to take
	emptied chan struct{} // capacity 1: there is room
}

func newRing[T any](size func(T) int) *ring[T] {
	return &ring[T]{size: size, filled: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
}

// put adds an item. If there is no room it waits for that, or with live drops the oldest: what is written at this moment must not wait
// for a slow viewer.
func (r *ring[T]) put(ctx context.Context, item T, live bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.mu.Lock()
		for live && r.full(item) {
			r.bytes -= r.size(r.items[0])
			r.items = r.items[1:]
			r.dropped++
		}
		if !r.full(item) {
			r.items = append(r.items, item)
			r.bytes += r.size(item)
			r.mu.Unlock()
			signal(r.filled)
			return nil
		}
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.emptied:
		}
	}
}

func (r *ring[T]) full(item T) bool {
	return len(r.items) > 0 && (len(r.items) >= mostItems || r.bytes+r.size(item) > mostBytes)
}

// end says that nothing follows.
func (r *ring[T]) end(err error) {
	r.mu.Lock()
	r.ended, r.err = true, err
	r.mu.Unlock()
	signal(r.filled)
}

// take returns all that waits, how many were dropped before it, and whether that was the end and why.
func (r *ring[T]) take() (items []T, dropped uint64, ended bool, err error) {
	r.mu.Lock()
	items, dropped, ended, err = r.items, r.dropped, r.ended, r.err
	r.items, r.bytes, r.dropped = nil, 0, 0
	r.mu.Unlock()
	signal(r.emptied)
	return items, dropped, ended, err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
