package consul

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 10 * time.Millisecond
		l := newLimiter(interval)
		began := time.Now()
		var at []time.Duration
		for range 5 {
			if err := sleep(t.Context(), l.delay(time.Now(), 0)); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(began))
		}
		// A burst of two, then one each interval.
		for i, want := range []time.Duration{0, 0, interval, 2 * interval, 3 * interval} {
			if at[i] != want {
				t.Errorf("answer %d after %s, want %s", i, at[i], want)
			}
		}
		time.Sleep(time.Second)
		if first, second := l.delay(time.Now(), 0), l.delay(time.Now(), 0); first != 0 || second != 0 {
			t.Errorf("after a rest: %s and %s, want no delay", first, second)
		}
		if large := l.delay(time.Now(), time.Second); large != time.Second {
			t.Errorf("a large answer delays the next by %s, want 1s", large)
		}
	})
}

func TestLimiterOff(t *testing.T) {
	l := newLimiter(0)
	for range 5 {
		if d := l.delay(time.Now(), 0); d != 0 {
			t.Fatalf("delay %s", d)
		}
	}
}

func TestBackoff(t *testing.T) {
	for failures, most := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 4: 800, 5: 1000, 100: 1000} {
		for range 50 {
			d := backoff(100*time.Millisecond, time.Second, failures)
			if limit := most * time.Millisecond; d < limit/2 || d > limit {
				t.Errorf("failure %d waits %s, want between half of %s and it", failures, d, limit)
			}
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sleep(ctx, time.Hour); err != context.Canceled {
		t.Errorf("slept: %v", err)
	}
	if err := sleep(ctx, 0); err != context.Canceled {
		t.Errorf("did not look at its context: %v", err)
	}
}

func TestSpread(t *testing.T) {
	for range 50 {
		if d := spread(time.Minute); d < 45*time.Second || d > time.Minute {
			t.Errorf("a wait of a minute became %s", d)
		}
	}
}
