package healer

import "time"

// clock gives times that do not jump when the machine's clock is set, neither as compared nor as written, and notices that it was.
type clock struct {
	wall    func() time.Time
	started time.Time
	drift   time.Duration // of the wall clock from ours, when last looked at
}

func newClock(wall func() time.Time) *clock {
	now := time.Now()
	return &clock{wall: wall, started: now, drift: wall().Round(0).Sub(now.Round(0))}
}

// now is the time the process started plus what has passed since by the monotonic clock.
func (c *clock) now() time.Time { return c.started.Add(time.Since(c.started)) }

// stepped returns by how much the wall clock was set since the last call.
func (c *clock) stepped() time.Duration {
	drift := c.wall().Round(0).Sub(c.now().Round(0))
	step := drift - c.drift
	c.drift = drift
	return step.Abs()
}
