package egress

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrQueueTimeout says that no place became free in time.
var ErrQueueTimeout = errors.New("waited too long for a free place")

// Queue is where requests wait for a place in a pool or at a member that is at its connection limit. There is one line per service,
// since a service's pools share its members; it is first come, first served, but nobody who could be served waits behind somebody
// who cannot. A place that becomes free is handed over by who frees it, so waiting costs no polling. The zero value is ready.
type Queue struct {
	waiting atomic.Int64
	mu      sync.Mutex
	lines   map[service][]*waiter
}

type service struct{ cluster, name string }

type waiter struct {
	try   func() bool
	ready chan struct{}
}

// Wait tries until try returns true, at once and then whenever a place of the service was freed, and returns nil. It gives up with
// ErrQueueTimeout or ctx's error. try takes the place if there is one; it is called by whichever goroutine frees a place, must not
// block, and is never called after Wait has returned.
func (q *Queue) Wait(ctx context.Context, cluster, name string, timeout time.Duration, try func() bool) error {
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	k, w := service{cluster, name}, &waiter{try: try, ready: make(chan struct{})}
	if q.enter(k, w) {
		return nil
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-w.ready:
		return nil
	case <-timer.C:
		return q.leave(k, w, ErrQueueTimeout)
	case <-ctx.Done():
		return q.leave(k, w, ctx.Err())
	}
}

// enter tries once and joins the line otherwise. Who frees a place after that looks into the line, and who freed one before has made
// this try succeed.
func (q *Queue) enter(k service, w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.serve(k)
	if w.try() {
		return true
	}
	if q.lines == nil {
		q.lines = map[service][]*waiter{}
	}
	q.lines[k] = append(q.lines[k], w)
	return false
}

// leave takes w out of the line. A place that was handed over in the same moment is kept: then there is no error.
func (q *Queue) leave(k service, w *waiter, err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.lines[k], w)
	if i < 0 {
		return nil
	}
	q.set(k, slices.Delete(q.lines[k], i, i+1))
	return err
}

// Freed hands a place of the service that has just become free to the first who can use it.
func (q *Queue) Freed(cluster, name string) {
	if q.waiting.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.serve(service{cluster, name})
}

// Recheck lets everybody who waits try again; for a new snapshot, which may have more members or higher limits.
func (q *Queue) Recheck() {
	if q.waiting.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for k := range q.lines {
		q.serve(k)
	}
}

// serve goes through a line once and lets everybody try, in order.
func (q *Queue) serve(k service) {
	line := q.lines[k]
	if len(line) == 0 {
		return
	}
	q.set(k, slices.DeleteFunc(line, func(w *waiter) bool {
		if !w.try() {
			return false
		}
		close(w.ready)
		return true
	}))
}

func (q *Queue) set(k service, line []*waiter) {
	if len(line) == 0 {
		delete(q.lines, k)
		return
	}
	q.lines[k] = line
}
