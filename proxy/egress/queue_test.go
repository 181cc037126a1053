package egress_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/proxy/egress"
)

// places are what tests wait for.
type places struct{ free atomic.Int64 }

func (p *places) take() bool {
	if p.free.Add(-1) < 0 {
		p.free.Add(1)
		return false
	}
	return true
}

func TestQueueIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q egress.Queue
		var p places
		var order []int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				if err := q.Wait(t.Context(), "live", "s", time.Minute, p.take); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait()
		}
		for range 5 {
			p.free.Add(1)
			q.Freed("live", "other") // not theirs
			synctest.Wait()
			q.Freed("live", "s")
			synctest.Wait()
		}
		all.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestQueueSkipsWhoCannotBeServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q egress.Queue
		var big, small places
		done := make(chan string, 2)
		go func() {
			q.Wait(t.Context(), "live", "s", time.Minute, big.take)
			done <- "big"
		}()
		synctest.Wait()
		go func() {
			q.Wait(t.Context(), "live", "s", time.Minute, small.take)
			done <- "small"
		}()
		synctest.Wait()
		small.free.Add(1)
		q.Freed("live", "s")
		if got := <-done; got != "small" {
			t.Errorf("%s was served", got)
		}
		big.free.Add(1)
		q.Recheck()
		if got := <-done; got != "big" {
			t.Errorf("%s was served", got)
		}
	})
}

func TestQueueGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q egress.Queue
		never := func() bool { return false }
		begin := time.Now()
		if err := q.Wait(t.Context(), "live", "s", 3*time.Second, never); !errors.Is(err, egress.ErrQueueTimeout) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("gave up after %s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Wait(ctx, "live", "s", time.Minute, never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// Under any interleaving no place is lost and none is given twice.
func TestQueueLosesNoPlace(t *testing.T) {
	var q egress.Queue
	var p places
	p.free.Store(3)
	var busy, served atomic.Int64
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for range 50 {
				if err := q.Wait(context.Background(), "live", "s", time.Duration(i%5+1)*time.Millisecond, p.take); err != nil {
					continue
				}
				if busy.Add(1) > 3 {
					t.Error("a place was given twice")
				}
				served.Add(1)
				busy.Add(-1)
				p.free.Add(1)
				q.Freed("live", "s")
			}
		})
	}
	all.Wait()
	if n := p.free.Load(); n != 3 {
		t.Errorf("%d places are left of 3, after %d turns", n, served.Load())
	}
}
