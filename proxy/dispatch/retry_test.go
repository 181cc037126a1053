package dispatch_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
)

var (
	broken = &dispatch.Failure{Err: errors.New("no answer")}
	unmet  = &dispatch.Failure{Err: errors.New("refused"), Unsent: true, Unmet: true}
	fatal  = &dispatch.Failure{Err: errors.New("bad request"), Fatal: true}
)

// Each failure leads to another member, until there is a reason against it.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		name       string
		settings   pool.Settings
		priorities []int
		failures   []*dispatch.Failure
		retries    int
	}{
		{"every member once", pool.Settings{"retries": "5"}, []int{10, 10, 10}, []*dispatch.Failure{broken, broken, broken}, 2},
		{"as often as is set", pool.Settings{"retries": "1"}, []int{10, 10, 10}, []*dispatch.Failure{broken, broken}, 1},
		{"none is set", pool.Settings{"retries": "0"}, []int{10, 10}, []*dispatch.Failure{unmet}, 0},
		{"no budget", pool.Settings{"retry_budget": "0"}, []int{10, 10}, []*dispatch.Failure{unmet}, 0},
		{"fatal", nil, []int{10, 10}, []*dispatch.Failure{fatal}, 0},
		{"a lower group if nobody was met", nil, []int{10, 9}, []*dispatch.Failure{unmet}, 1},
		{"no lower group otherwise", nil, []int{10, 9}, []*dispatch.Failure{broken}, 0},
		{"no lower group once somebody was met", nil, []int{10, 10, 9}, []*dispatch.Failure{broken, unmet}, 1},
		{"two lower groups", nil, []int{10, 9, 8}, []*dispatch.Failure{unmet, unmet}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(c.settings, c.priorities...)
			j := d.enter(t, plain)
			seen := []*pool.Member{j.Member}
			for i, f := range c.failures {
				last := j.Member
				if again := j.Retry(f); again != (i < c.retries) {
					t.Fatalf("after failure %d: retry %t", i+1, again)
				} else if !again {
					if j.Member != last {
						t.Errorf("the last attempt was at %s, now it is %s", last.ID(), j.Member.ID())
					}
					break
				}
				if slices.Contains(seen, j.Member) || last.Meter.InFlight.Load() != 0 || j.Member.Meter.InFlight.Load() != 1 {
					t.Errorf("after failure %d: %s, in flight %d and before %d", i+1, j.Member.ID(), j.Member.Meter.InFlight.Load(), last.Meter.InFlight.Load())
				}
				seen = append(seen, j.Member)
			}
			if j.Attempts() != len(seen) || int(d.pool().Meter.Retries.Load()) != c.retries {
				t.Errorf("%d members tried, %d attempts and %d retries counted", len(seen), j.Attempts(), d.pool().Meter.Retries.Load())
			}
			j.End()
			d.idle(t)
		})
	}
}

// A member at its limit is no help, and the retry that did not come about is not paid for.
func TestRetryFindsNobodyBelowTheLimit(t *testing.T) {
	d := newDesk(pool.Settings{"member_max_conns": "1"}, 10, 10)
	d.enter(t, plain)
	j := d.enter(t, plain)
	before := d.pool().Meter.Budget.Load()
	if j.Retry(broken) {
		t.Error("a full member was chosen")
	}
	if meter := d.pool().Meter; meter.Budget.Load() != before || meter.Retries.Load() != 0 {
		t.Errorf("paid %d, %d retries counted", before-meter.Budget.Load(), meter.Retries.Load())
	}
}

// retries serves requests that all fail once, and returns how many were tried again.
func retries(t *testing.T, d *desk, requests int) (n int) {
	t.Helper()
	for range requests {
		j := d.enter(t, plain)
		if j.Retry(broken) {
			n++
		}
		j.End()
	}
	return n
}

// A budget of 20 % pays for a retry of every fifth request, beyond the floor of ten; time gives back no more than the floor.
func TestRetryBudget(t *testing.T) {
	d := newDesk(pool.Settings{"retry_budget": "20"}, 10, 10)
	meter := d.pool().Meter
	never := time.Now().Add(time.Hour).UnixNano()
	meter.BudgetAt.Store(never)
	if n := retries(t, d, 100); n != 30 {
		t.Errorf("%d of 100 requests were tried again, want a fifth and the floor of ten", n)
	}
	if n := retries(t, d, 100); n != 20 {
		t.Errorf("%d of the next 100 were, want a fifth", n)
	}
	// One request earns 20 hundredths and its retry costs 100, beside what time has given back.
	for seconds, want := range map[int]int64{3: -1000 + 20 + 300 - 100, 3600: -100} {
		meter.Budget.Store(-1000)
		meter.BudgetAt.Store(time.Now().Add(-time.Duration(seconds)*time.Second - 100*time.Millisecond).UnixNano())
		j := d.enter(t, plain)
		if !j.Retry(broken) {
			t.Fatalf("no retry after %d s", seconds)
		}
		if got := meter.Budget.Load(); got != want {
			t.Errorf("after %d s the budget is %d, want %d", seconds, got, want)
		}
		j.End()
	}
	meter.Budget.Store(0)
	meter.BudgetAt.Store(never)
	for range 2000 {
		d.enter(t, plain).End()
	}
	if got := meter.Budget.Load(); got != 100*100 {
		t.Errorf("a pool without failures saved %d hundredths of a retry, want a hundred retries", got)
	}
}

func TestIdempotent(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "OPTIONS": true, "TRACE": true, "PUT": true, "DELETE": true,
		"POST": false, "PATCH": false, "CONNECT": false, "get": false, "": false,
	} {
		if dispatch.Idempotent(method) != want {
			t.Errorf("%q: %t", method, !want)
		}
	}
}
