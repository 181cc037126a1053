package consul

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// waiting is how many services are at some stage of being read. Only a few are asked for at a time; the others wait for the list of names,
// which they share.
const waiting = 128

// reads is the set of services to read once, some at a time. A service is read by one reader at once; what is marked while it
// is being read is read again.
type reads struct {
	config  Config
	workers int
	read    func(ctx context.Context, name string, least uint64) error
	wake    chan struct{} // capacity 1

	mu    sync.Mutex
	queue []string
	items map[string]*pendingRead
	first *round
}

// pendingRead is a service in the set, until a read of it succeeded after its last mark.
type pendingRead struct {
	least    uint64 // the answer must not be older than this index
	queued   bool
	running  bool
	again    bool
	failures int
}

// round is a number of services each of which is to be tried once.
type round struct {
	left     map[string]struct{}
	progress chan struct{} // capacity 1
}

func newReads(c Config, workers int, read func(context.Context, string, uint64) error) *reads {
	return &reads{config: c, workers: workers, read: read, wake: make(chan struct{}, 1), items: map[string]*pendingRead{}}
}

// mark has the service read, and again if a reader is at it now. The answer has at least the index given.
func (r *reads) mark(name string, least uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	item := r.items[name]
	if item == nil {
		item = &pendingRead{}
		r.items[name] = item
	}
	item.least = max(item.least, least)
	switch {
	case item.running:
		item.again = true
	case !item.queued:
		item.queued = true
		r.queue = append(r.queue, name)
		wake(r.wake)
	}
}

// begin marks all names and returns the round of trying each once.
func (r *reads) begin(names []string) *round {
	turn := &round{left: make(map[string]struct{}, len(names)), progress: make(chan struct{}, 1)}
	for _, name := range names {
		turn.left[name] = struct{}{}
	}
	r.mu.Lock()
	r.first = turn
	r.mu.Unlock()
	for _, name := range names {
		r.mark(name, 0)
	}
	return turn
}

// wait returns when each service of the round was tried, or when none was for so long.
func (r *reads) wait(ctx context.Context, turn *round, patience time.Duration) error {
	for {
		r.mu.Lock()
		left := len(turn.left)
		r.mu.Unlock()
		if left == 0 {
			return nil
		}
		timer := time.NewTimer(patience)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-turn.progress:
			timer.Stop()
		}
	}
}

// run reads what is marked until ctx ends.
func (r *reads) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range r.workers {
		group.Go(func() error { return r.work(ctx) })
	}
	return group.Wait()
}

func (r *reads) work(ctx context.Context) error {
	for {
		name, least, found := r.next()
		if !found {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-r.wake:
			}
			continue
		}
		err := r.read(ctx, name, least)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.done(name, err)
	}
}

func (r *reads) next() (string, uint64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return "", 0, false
	}
	name := r.queue[0]
	r.queue = r.queue[1:]
	if len(r.queue) > 0 {
		wake(r.wake)
	}
	item := r.items[name]
	item.queued, item.running, item.again = false, true, false
	return name, item.least, true
}

func (r *reads) done(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first != nil {
		delete(r.first.left, name)
		wake(r.first.progress)
	}
	item := r.items[name]
	item.running = false
	switch {
	case err != nil:
		item.failures++
		pause := backoff(r.config.BackoffMin, r.config.BackoffMax, item.failures)
		time.AfterFunc(pause, func() { r.mark(name, 0) })
	case item.again:
		item.failures, item.queued = 0, true
		r.queue = append(r.queue, name)
		wake(r.wake)
	default:
		delete(r.items, name)
	}
}
