package health

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Passive watches what requests experience: a member that fails so many times in a row within the policy's window is ejected for a
// while, and comes back on probation. It knows instances by ID, whatever pool they failed in. Safe for concurrent use.
//
// While nothing fails it costs a request one atomic load.
type Passive struct {
	board *Board
	wake  chan struct{}
	// suspects are the records of the instances that have failed of late, by their meter: a pointer that is the same for all pools
	// of an instance and costs nothing to look up. count is how many there are.
	suspects sync.Map
	count    atomic.Int64
	mu       sync.Mutex // for what is in the records, and for changes of suspects
}

// passive is the judge's name on the board.
const passive = "passive"

// NewPassive returns passive checks that post on board.
func NewPassive(board *Board) *Passive {
	return &Passive{board: board, wake: make(chan struct{}, 1)}
}

// Succeeded tells of a request that m answered well.
func (p *Passive) Succeeded(_ *pool.Pool, m *pool.Member) {
	if p.count.Load() == 0 {
		return
	}
	found, ok := p.suspects.Load(m.Meter)
	if !ok || found.(*record).quiet.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	found.(*record).succeeded()
}

// Failed tells of a request that m failed, with the reason for operators.
func (p *Passive) Failed(in *pool.Pool, m *pool.Member, reason string) {
	p.failed(in, m, reason, false)
}

// Refused tells of a request for which m refused a connection. An ejection for nothing but that may take more members out than others.
func (p *Passive) Refused(in *pool.Pool, m *pool.Member, reason string) {
	p.failed(in, m, reason, true)
}

func (p *Passive) failed(in *pool.Pool, m *pool.Member, reason string, refused bool) {
	m.Meter.Failures.Add(1)
	if in.Spec.EjectFailures == 0 {
		return
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.suspect(m); r.failed(now, in.Spec, refused) {
		p.board.Post(r.id, passive, r.verdict(now, reason))
		p.trigger()
	}
}

// suspect returns the record of an instance, a new one if it has none or stands at another address now. The caller holds the lock.
func (p *Passive) suspect(m *pool.Member) *record {
	found, known := p.suspects.Load(m.Meter)
	if known && found.(*record).addr == m.Addr {
		return found.(*record)
	}
	r := &record{id: m.ID(), addr: m.Addr}
	p.suspects.Store(m.Meter, r)
	if !known {
		p.count.Add(1)
	}
	p.trigger()
	return r
}

// Run brings ejected members back when their time is over and forgets those that have behaved, until ctx ends; it returns ctx's
// error. More than one may run.
func (p *Passive) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		if next := p.sweep(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// sweep does what is due and returns when it has to be called again; never, if zero.
func (p *Passive) sweep(now time.Time) (next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for meter, found := range p.suspects.Range {
		r := found.(*record)
		if r.release(now) {
			p.board.Withdraw(r.id, passive)
		}
		due := r.due()
		if !due.After(now) {
			p.suspects.Delete(meter)
			p.count.Add(-1)
			continue
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

// trigger makes Run look at the records again.
func (p *Passive) trigger() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
