package health

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// longest is how many times EjectFor an ejection lasts at most, however often it was repeated; after as long a time without another
// one, the count starts anew.
const longest = 10

// record is what passive checks remember of an instance that failed. It reads no clock.
type record struct {
	id, addr string
	// quiet is true while a success would change nothing: no failure since the last one, and no probation. Read without the lock.
	quiet atomic.Bool

	failures []time.Time // in a row, and within the window
	refused  bool        // all of them were refused connections
	// until is when the ejection under way ends; zero if there is none. length is how long it takes, repeats how often that has been
	// doubled, back when the last one ended.
	until, back time.Time
	length      time.Duration
	repeats     int
	// probation is how many successes in a row it takes after an ejection until failures are counted as usual again.
	probation int
	forget    time.Time // when nothing of this matters any more
}

// failed notes a failure and reports whether it ejects the instance. During an ejection, failures are those of requests sent
// before, or of a member its group could not do without, and say nothing new.
func (r *record) failed(now time.Time, spec *pool.Spec, refused bool) bool {
	if !r.until.IsZero() {
		return false
	}
	r.quiet.Store(false)
	r.forget = now.Add(max(spec.EjectWindow, longest*spec.EjectFor))
	r.refused = refused && (r.refused || len(r.failures) == 0)
	r.failures = append(r.failures, now)
	r.failures = slices.DeleteFunc(r.failures, func(t time.Time) bool { return now.Sub(t) > spec.EjectWindow })
	if len(r.failures) < spec.EjectFailures && r.probation == 0 {
		return false
	}
	r.eject(now, spec)
	return true
}

// eject begins an ejection, twice as long as the last one if that is not long ago.
func (r *record) eject(now time.Time, spec *pool.Spec) {
	if now.Sub(r.back) > longest*spec.EjectFor {
		r.repeats = 0
	}
	r.length = min(spec.EjectFor<<r.repeats, longest*spec.EjectFor)
	if r.length < longest*spec.EjectFor {
		r.repeats++
	}
	r.until = now.Add(r.length)
	r.forget = r.until.Add(longest * spec.EjectFor)
	r.probation = spec.EjectFailures
}

// succeeded notes a success. One of an ejected instance is as little news as a failure.
func (r *record) succeeded() {
	if !r.until.IsZero() {
		return
	}
	r.failures = r.failures[:0]
	r.probation = max(0, r.probation-1)
	r.quiet.Store(r.probation == 0)
}

// verdict returns what to post when failed has ejected the instance. Its reason goes on where pool.Build says "ejected after failures".
func (r *record) verdict(now time.Time, reason string) pool.Verdict {
	what := fmt.Sprintf("%d in a row, the last one %s; for %s", len(r.failures), reason, r.length)
	if len(r.failures) < r.probation {
		what = fmt.Sprintf("again while on probation, %s; for %s", reason, r.length)
	}
	return pool.Verdict{Down: true, Ejected: true, Refused: r.refused, Reason: what, Since: now, Address: r.addr}
}

// release ends an ejection whose time is over and reports whether it did.
func (r *record) release(now time.Time) bool {
	if r.until.IsZero() || r.until.After(now) {
		return false
	}
	r.until, r.back = time.Time{}, now
	r.failures = r.failures[:0]
	return true
}

// due returns when the record needs attention: the end of the ejection, or the time to forget it.
func (r *record) due() time.Time {
	if !r.until.IsZero() {
		return r.until
	}
	return r.forget
}
