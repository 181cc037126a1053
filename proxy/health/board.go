package health

import (
	"sync"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Board holds what every judge says against an instance. Silence is consent: an instance nobody complains of has no verdict.
// Safe for concurrent use.
type Board struct {
	mu     sync.Mutex
	posted map[string]map[string]pool.Verdict // by instance, by judge
	worst  map[string]pool.Verdict            // nil when it has to be made anew
	heard  map[chan struct{}]struct{}
}

// NewBoard returns an empty board.
func NewBoard() *Board {
	return &Board{posted: map[string]map[string]pool.Verdict{}, heard: map[chan struct{}]struct{}{}}
}

// Post replaces what a judge says against an instance. Judges are named so that each of an instance's several checks is one.
func (b *Board) Post(instance, judge string, v pool.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	byJudge := b.posted[instance]
	if byJudge[judge] == v {
		return
	}
	if byJudge == nil {
		byJudge = map[string]pool.Verdict{}
		b.posted[instance] = byJudge
	}
	byJudge[judge] = v
	b.changed()
}

// Withdraw ends a judge's complaint, if there is one.
func (b *Board) Withdraw(instance, judge string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	byJudge := b.posted[instance]
	if _, ok := byJudge[judge]; !ok {
		return
	}
	delete(byJudge, judge)
	if len(byJudge) == 0 {
		delete(b.posted, instance)
	}
	b.changed()
}

// Verdicts returns the worst verdict on each instance that has any, by instance ID. The map is shared and never changed: the next
// call after a change returns another one.
func (b *Board) Verdicts() map[string]pool.Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.worst != nil {
		return b.worst
	}
	b.worst = make(map[string]pool.Verdict, len(b.posted))
	for instance, byJudge := range b.posted {
		var worst pool.Verdict
		for _, v := range byJudge {
			if worse(v, worst) {
				worst = v
			}
		}
		b.worst[instance] = worst
	}
	return b.worst
}

// worse reports whether v weighs more than old. A failed check outweighs an ejection, which may be overruled for the sake of the
// group; among equals the older one stays, so that a second complaint changes nothing. The reason only breaks ties, to make the
// choice the same every time.
func worse(v, old pool.Verdict) bool {
	if !old.Down || v.Ejected != old.Ejected {
		return !old.Down || old.Ejected
	}
	if !v.Since.Equal(old.Since) {
		return v.Since.Before(old.Since)
	}
	return v.Reason < old.Reason
}

// Subscribe returns a channel that holds a token whenever verdicts have changed since the last receive. cancel ends it.
func (b *Board) Subscribe() (changed <-chan struct{}, cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{}, 1)
	b.heard[c] = struct{}{}
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.heard, c)
	}
}

// changed wakes the subscribers. The caller holds the lock.
func (b *Board) changed() {
	b.worst = nil
	for c := range b.heard {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
