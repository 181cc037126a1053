package consul

import (
	"context"
	"math/rand/v2"
	"time"
)

// sleep waits for d or for ctx to end, and returns ctx's error then.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// spread returns a wait that is shorter by up to a quarter at random: watches that began together do not all end together, which
// would keep the answers from coming in time.
func spread(wait time.Duration) time.Duration {
	return wait - rand.N(wait/4+1)
}

// backoff returns how long to wait after so many failures in a row: twice as long each time, up to the most, less up to a half at
// random, so that a thousand clients of a Consul that returns do not ask it in step.
func backoff(least, most time.Duration, failures int) time.Duration {
	d := most
	if failures < 16 {
		d = min(most, least<<max(0, failures-1))
	}
	return d/2 + rand.N(d/2+1)
}

// limiter is a token bucket of two for the answers of one watch, refilled every interval, or as often as the size of the answers
// calls for where that is longer.
type limiter struct {
	interval time.Duration
	tokens   int
	refilled time.Time
}

// limiterBurst lets a registration and its first passing check through without waiting.
const limiterBurst = 2

func newLimiter(interval time.Duration) *limiter {
	return &limiter{interval: interval, tokens: limiterBurst, refilled: time.Now()}
}

// delay takes a token and returns how long to wait before it may be used; tokens come no faster than one in least.
func (l *limiter) delay(now time.Time, least time.Duration) time.Duration {
	interval := max(l.interval, least)
	if interval <= 0 {
		return 0
	}
	if n := int(now.Sub(l.refilled) / interval); n > 0 {
		l.tokens = min(limiterBurst, l.tokens+n)
		l.refilled = l.refilled.Add(time.Duration(n) * interval)
	}
	if l.tokens == limiterBurst {
		l.refilled = now
	}
	l.tokens--
	if l.tokens >= 0 {
		return 0
	}
	l.tokens = 0
	l.refilled = l.refilled.Add(interval)
	return max(0, l.refilled.Sub(now))
}

// wake fills a channel of capacity 1.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
