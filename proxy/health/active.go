package health

import (
	"container/heap"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Active asks the members of every pool whose policy wants a check. One goroutine keeps the schedule, and only a check under way
// has a goroutine of its own, at most Workers of them.
//
// What it has found out outlives a Run, so that the next configuration goes on where the last one stopped.
type Active struct {
	board   *Board
	dialer  Dialer
	plain   *http.Transport // HTTP/1.1
	h2c     *http.Transport
	workers int

	turn chan struct{} // held by the one Run that owns what follows
	// checks by target; pools are those of the snapshot that want checks, with their targets.
	checks   map[target]*check
	pools    map[*pool.Pool][]target
	schedule schedule
	running  int
	results  chan result
}

// result is what one check found: failure is nil if all is well, aborted means it was cut off and says nothing.
type result struct {
	check   *check
	failure error
	aborted bool
}

// DefaultWorkers is how many checks run at once unless told otherwise.
const DefaultWorkers = 64

// NewActive returns checks that dial through dialer and post on board. workers bounds how many run at once; 0 means DefaultWorkers.
func NewActive(board *Board, dialer Dialer, workers int) *Active {
	if workers <= 0 {
		workers = DefaultWorkers
	}
	return &Active{
		board: board, dialer: dialer, workers: workers,
		plain: transport(dialer, false), h2c: transport(dialer, true),
		turn:    make(chan struct{}, 1),
		checks:  map[target]*check{},
		pools:   map[*pool.Pool][]target{},
		results: make(chan result, workers),
	}
}

// Run checks the members of table's snapshots until ctx ends, and returns ctx's error. published holds a token whenever there is a
// new snapshot. Only one Run is at work: while an older configuration has not ended, the newer one waits its turn.
func (a *Active) Run(ctx context.Context, table *pool.Table, published <-chan struct{}) error {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-a.turn }()

	var workers sync.WaitGroup
	defer a.recall(&workers)
	timer := time.NewTimer(0)
	defer timer.Stop()
	a.follow(table.Load(), time.Now())
	for {
		for a.running < a.workers && len(a.schedule) > 0 && !a.schedule[0].due.After(time.Now()) {
			a.start(ctx, &workers, heap.Pop(&a.schedule).(*check))
		}
		timer.Stop()
		if a.running < a.workers && len(a.schedule) > 0 {
			timer.Reset(time.Until(a.schedule[0].due))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-published:
			a.follow(table.Load(), time.Now())
		case r := <-a.results:
			a.conclude(r, time.Now())
		case <-timer.C:
		}
	}
}

// start runs one check in a goroutine of its own. results has room for every worker, so that none of them ever waits.
func (a *Active) start(ctx context.Context, workers *sync.WaitGroup, c *check) {
	a.running++
	target, terms := c.target, c.terms
	workers.Go(func() {
		failure := a.probe(ctx, target, terms)
		a.results <- result{check: c, failure: failure, aborted: ctx.Err() != nil}
	})
}

// conclude books a result and plans the check's next time. One that has been dropped meanwhile is over.
func (a *Active) conclude(r result, now time.Time) {
	a.running--
	c := r.check
	if len(c.askers) == 0 {
		return
	}
	if !r.aborted {
		c.conclude(a.board, now, r.failure)
		c.due = c.due.Add(c.terms.interval)
		if c.due.Before(now) {
			c.due = now
		}
	}
	heap.Push(&a.schedule, c)
}

// recall waits for the checks under way, which end with the context, and books them.
func (a *Active) recall(workers *sync.WaitGroup) {
	workers.Wait()
	for a.running > 0 {
		a.conclude(<-a.results, time.Now())
	}
	a.plain.CloseIdleConnections()
	a.h2c.CloseIdleConnections()
}
