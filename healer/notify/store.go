package notify

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
)

// The envelope of a queue's file.
const (
	fileKind    = "notifications"
	fileVersion = 1
)

// leases has one place for each file of a queue in use by this process: while a configuration replaces another one, both run for a moment.
var leases sync.Map // from a path to a chan struct{} of capacity 1

// lease waits until nobody else in this process uses the file.
func lease(ctx context.Context, path string) (release func(), err error) {
	place, _ := leases.LoadOrStore(path, make(chan struct{}, 1))
	taken := place.(chan struct{})
	select {
	case taken <- struct{}{}:
		return func() { <-taken }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load reads the queue that an earlier run left, and takes in the notices that came before.
func (r *receiver) load() {
	b := newBook(r.limits)
	err := state.ReadFile(r.path, fileKind, fileVersion, b)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		err = nil
	default:
		err = state.SetAside(r.path, err)
		b = newBook(r.limits)
		r.log.Error("messages of an earlier run are lost", "error", err)
	}
	r.edit(func(before *book, now time.Time) {
		b.edits, b.dropped = before.edits, before.dropped
		b.mend(r.limits, now)
		b.Lost.Count += before.Lost.Count // of notices that came before
		if b.Lost.Since.IsZero() {
			b.Lost.Since = before.Lost.Since
		}
		for _, n := range r.early {
			b.offer(n, now)
		}
		r.book, r.early, r.loaded = b, nil, true
		r.tally.storage = ""
		if err != nil {
			r.tally.lastError, r.tally.lastErrorAt = err.Error(), now
		}
	})
}

// saveAll writes the queue whenever it has changed. A disk that is slow or full delays only this.
func (r *receiver) saveAll(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.dirty:
		}
		if r.save() {
			continue
		}
		timer := time.NewTimer(r.saveRetry)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			signal(r.dirty)
		}
	}
}

// save writes the queue, and has the status say so if that fails.
func (r *receiver) save() bool {
	document, err := r.encode()
	if err == nil {
		err = state.WriteFile(r.path, fileKind, fileVersion, document)
	}
	storage := ""
	if err != nil {
		storage = "in memory only: " + err.Error()
	}
	r.mu.Lock()
	before := r.tally.storage
	r.tally.storage = storage
	r.mu.Unlock()
	switch {
	case before == "" && err != nil:
		r.log.Error("queue not written, it goes on in memory", "error", err)
	case before != "" && err == nil:
		r.log.Info("queue written again")
	}
	return err == nil
}
