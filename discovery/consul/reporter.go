package consul

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// reporter hands changes on one after another: at once while it is idle, and together what came while it was busy, so that a
// thousand changes at a time do not make a thousand updates.
type reporter struct {
	status func() discovery.SourceStatus
	wake   chan struct{} // capacity 1

	mu      sync.Mutex
	pending map[string]*discovery.Service
	whole   func() map[string]*discovery.Service // not nil: say that this is everything
	pace    time.Duration                        // between two reports
}

func newReporter(status func() discovery.SourceStatus) *reporter {
	return &reporter{status: status, wake: make(chan struct{}, 1), pending: map[string]*discovery.Service{}}
}

// set reports the service, an empty one as gone.
func (r *reporter) set(service *discovery.Service) {
	r.mu.Lock()
	r.pending[service.Name] = service
	r.mu.Unlock()
	r.touch()
}

// complete reports all facts as complete, as they stand when the report is made.
func (r *reporter) complete(facts func() map[string]*discovery.Service) {
	r.mu.Lock()
	r.whole, r.pace = facts, 0
	r.mu.Unlock()
	r.touch()
}

// touch reports the status.
func (r *reporter) touch() {
	wake(r.wake)
}

// slow sets the pace until the next complete report.
func (r *reporter) slow(pace time.Duration) {
	r.mu.Lock()
	r.pace = pace
	r.mu.Unlock()
}

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context, report func(discovery.Update)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wake:
		}
		report(r.take())
		r.mu.Lock()
		pace := r.pace
		r.mu.Unlock()
		if err := sleep(ctx, pace); err != nil {
			return err
		}
	}
}

func (r *reporter) take() discovery.Update {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := discovery.Update{Services: r.pending}
	if r.whole != nil {
		// Taken now, it holds everything that is pending and nothing older.
		u.Services, u.Complete = r.whole(), true
		r.whole = nil
	}
	r.pending = map[string]*discovery.Service{}
	u.Status = r.status()
	return u
}
