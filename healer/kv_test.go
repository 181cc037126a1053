package healer

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/discovery/state"
)

// memoryKV is a state.KV that can be out of reach, and counts what is written to it.
type memoryKV struct {
	mu      sync.Mutex
	entries map[string]state.Entry
	index   uint64
	away    bool
	full    bool // nothing can be written
	writes  int
	changed chan struct{} // closed and replaced with each change
}

var _ state.KV = (*memoryKV)(nil)

func newMemoryKV() *memoryKV {
	return &memoryKV{entries: map[string]state.Entry{}, changed: make(chan struct{})}
}

func (k *memoryKV) Get(_ context.Context, key string) (state.Entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, found := k.entries[key]
	switch {
	case k.away:
		return state.Entry{}, state.ErrUnavailable
	case !found:
		return state.Entry{}, state.ErrNotFound
	}
	return e, nil
}

func (k *memoryKV) CompareAndSet(_ context.Context, key string, value []byte, index uint64) error {
	return k.change(key, index, true, func() {
		k.entries[key] = state.Entry{Key: key, Value: bytes.Clone(value), Index: k.index}
	})
}

func (k *memoryKV) Delete(_ context.Context, key string, index uint64) error {
	return k.change(key, index, index != 0, func() { delete(k.entries, key) })
}

func (k *memoryKV) change(key string, index uint64, compare bool, do func()) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.away, k.full:
		return state.ErrUnavailable
	case compare && k.entries[key].Index != index:
		return state.ErrConflict
	}
	k.index++
	k.writes++
	do()
	k.wake()
	return nil
}

func (k *memoryKV) wake() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// leave puts the store out of reach, or back.
func (k *memoryKV) leave(away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
	k.wake()
}

// fill makes writes fail, or not any more.
func (k *memoryKV) fill(full bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.full = full
}

func (k *memoryKV) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.writes
}

func (k *memoryKV) Watch(ctx context.Context, prefix string, report func([]state.Entry, error)) error {
	for {
		k.mu.Lock()
		var entries []state.Entry
		for _, key := range slices.Sorted(maps.Keys(k.entries)) {
			if strings.HasPrefix(key, prefix) {
				entries = append(entries, k.entries[key])
			}
		}
		away, changed := k.away, k.changed
		k.mu.Unlock()
		if away {
			report(nil, fmt.Errorf("watching %s: %w", prefix, state.ErrUnavailable))
		} else {
			report(entries, nil)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
