package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// timing is what one change took. The domain is asked for from the return of the call on, so that neither is less than the call.
type timing struct {
	fromCall, fromReturn time.Duration
	// resolution is the time from the last answer before the change to the first after it: the change happened in between.
	resolution time.Duration
}

// watch follows one domain from the call that changes it until its answers have changed.
type watch struct {
	domain          string
	began, returned time.Time // of the call
	before          time.Time // the last answer of before the change
	since           time.Time // the first one after it
	seen            int       // answers in a row after it
}

// slowest is how long a change may take before the run is given up.
const slowest = 20 * time.Second

// ask asks for the domain once and reports whether the change is seen. Answers that are neither 200 nor 404 are counted by the stage,
// and no answer at all says nothing of the change.
func (w *watch) ask(s *stage, c *lab.Client, what change) bool {
	status, err := c.Status(w.domain)
	now := time.Now()
	if err != nil {
		s.note(err.Error())
		return false
	}
	if status != http.StatusOK && status != http.StatusNotFound {
		s.note(fmt.Sprintf("%s gets %d", w.domain, status))
	}
	switch {
	case (status == http.StatusOK) != what.serves:
		w.before, w.seen = now, 0
	case w.seen == 0:
		w.since, w.seen = now, 1
	default:
		w.seen++
	}
	return w.seen >= what.answers
}

// overdue returns why to give up, if there is a reason.
func (w *watch) overdue(ctx context.Context) error {
	if time.Since(w.returned) > slowest {
		return fmt.Errorf("%s has not changed %s after the call", w.domain, slowest)
	}
	return ctx.Err()
}

func (w *watch) timing() timing {
	before := w.before
	if before.IsZero() {
		before = w.returned
	}
	return timing{fromCall: w.since.Sub(w.began), fromReturn: w.since.Sub(w.returned), resolution: w.since.Sub(before)}
}
