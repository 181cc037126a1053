package network

import (
	"context"
	"sync/atomic"
)

// tally counts something whose end can be waited for.
type tally struct {
	number atomic.Int64
	none   chan struct{} // capacity 1: the number may have come down to zero
}

func newTally() *tally { return &tally{none: make(chan struct{}, 1)} }

func (t *tally) up() { t.number.Add(1) }

func (t *tally) down() {
	if t.number.Add(-1) == 0 {
		t.tell()
	}
}

func (t *tally) tell() {
	select {
	case t.none <- struct{}{}:
	default:
	}
}

// wait returns when the number is zero, or ctx ends.
func (t *tally) wait(ctx context.Context) {
	for t.number.Load() > 0 {
		select {
		case <-t.none:
		case <-ctx.Done():
			return
		}
	}
	t.tell() // the next one who waits
}
