package docker

import (
	"context"
	"math/rand/v2"
	"time"
)

// sleep waits for d or for ctx to end, and returns ctx's error then.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// backoff returns how long to wait after so many failures in a row: twice as long each time, up to the most, less up to a half at
// random, so that the containers of an engine that returns are not asked for in step.
func backoff(least, most time.Duration, failures int) time.Duration {
	d := most
	if failures < 16 {
		d = min(most, least<<max(0, failures-1))
	}
	return d/2 + rand.N(d/2+1)
}
