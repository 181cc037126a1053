package proxy

import (
	"context"
	"time"
)

// trigger marks a channel of capacity one without waiting: a mark that has not been taken yet stands for all that follow.
func trigger(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// relay marks to whenever from is marked, until ctx ends.
func relay(ctx context.Context, from <-chan struct{}, to chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-from:
			trigger(to)
		}
	}
}

// pause waits, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
