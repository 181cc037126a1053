package docker

import (
	"fmt"
	"time"

	"github.com/docker/docker/api/types/events"

	"github.com/fairlead/fairlead/discovery"
)

// entry is what is known of one container. Requests are numbered in the order in which they began, so that an answer can be told to be
// older than another one, or than an event.
type entry struct {
	id     string
	facts  *container           // of the last good answer; nil if it does not run or has never been asked for
	known  []discovery.Instance // restored ones, until the first answer
	mark   mark
	listed string // what the list says of it

	asking   bool   // a request is under way: never two at once
	hinted   bool   // to be asked for, whatever the list says
	askedAs  string // what the list said when it was asked for last
	asked    time.Time
	settled  bool   // it has been answered for, or failed, once
	late     bool   // the first report went out without it
	lately   uint64 // the request, or the last one before an event, at which it was there for sure
	failures int
	failed   error
	since    time.Time // of the first failure in a row
	retry    time.Time

	made  built
	stale bool // made is older than facts, mark or the builder
}

// mark is a sign that a container is leaving, until an answer is newer.
type mark struct {
	at      time.Time // zero: there is none
	signal  int       // that was sent
	died    bool      // its process ended
	exit    string    // the exit code then
	started string    // when the container had started that the sign was about
	over    uint64    // the last request before the container started again, 0 if it has not
}

// stops reports whether the sign means that the container stops: another signal than its own may mean anything.
func (m mark) stops(c *container) bool {
	return !m.at.IsZero() && (m.died || m.signal == sigKill || m.signal == c.stopSignal)
}

// until returns when a container that still runs has evidently survived. The engine kills one at the end of its stop time-out, which
// is a sign of its own.
func (m mark) until(c *container, survive time.Duration) time.Time {
	return m.at.Add(max(survive, c.stopTimeout+time.Second))
}

// health returns the state that the sign makes of a container.
func (m mark) health() (discovery.Health, string) {
	if m.died {
		return discovery.Critical, fmt.Sprintf("its process ended with exit code %s", m.exit)
	}
	return discovery.Maintenance, fmt.Sprintf("it is being stopped: signal %d was sent", m.signal)
}

// hear takes in an event.
func (e *entry) hear(ev event, now time.Time, sequence uint64) {
	e.hinted, e.retry, e.lately = true, time.Time{}, sequence
	next := mark{at: now, signal: ev.signal, exit: ev.exitCode}
	if e.facts != nil {
		next.started = e.facts.started
	}
	switch ev.action {
	case events.ActionStart:
		// What is known is of before: the sign stands until an answer tells where the container is now.
		e.mark.over = sequence
		return
	case events.ActionKill:
		if e.facts != nil && !next.stops(e.facts) || e.facts == nil && ev.signal != sigKill && !e.mark.at.IsZero() {
			return
		}
	case events.ActionDie:
		if e.facts != nil && e.mark.stops(e.facts) {
			return // the stop that was asked for
		}
		next.died = true
	default:
		return
	}
	e.mark, e.stale = next, true
}

// list takes in what the list says.
func (e *entry) list(says string, sequence uint64) {
	e.listed, e.lately = says, max(e.lately, sequence)
}

// due reports whether the container is to be asked for, and if not, when it will be if nothing else happens (zero: not at all).
func (e *entry) due(now time.Time, survive time.Duration) (bool, time.Time) {
	if e.asking {
		return false, time.Time{}
	}
	var at time.Time
	switch {
	case e.hinted || e.askedAs != e.listed:
		at = e.retry
	case e.facts != nil && e.mark.stops(e.facts):
		at = e.mark.until(e.facts, survive)
		if e.retry.After(at) {
			at = e.retry
		}
	default:
		return false, time.Time{}
	}
	return !now.Before(at), at
}

// begin notes that a request begins.
func (e *entry) begin(now time.Time) {
	e.asking, e.hinted, e.askedAs, e.asked = true, false, e.listed, now
}

// take takes in the answer to a request that began at asked; nil means that the container does not run.
func (e *entry) take(c *container, sequence uint64, survive time.Duration) {
	e.asking, e.settled, e.stale = false, true, true
	e.failures, e.failed, e.known = 0, nil, nil
	e.facts = c
	if c == nil {
		// The list may lag: it is asked for again when the list still has it.
		e.listed, e.askedAs, e.mark = "", "", mark{}
		return
	}
	e.lately = max(e.lately, sequence)
	again := e.mark.started != "" && e.mark.started != c.started || e.mark.over != 0 && sequence > e.mark.over
	if again || !e.mark.stops(c) || !e.asked.Before(e.mark.until(c, survive)) {
		e.mark = mark{}
	}
}

// fail takes in that a request failed. Everything stays as it was, and it is tried again later.
func (e *entry) fail(err error, now time.Time, wait time.Duration) {
	if e.failures == 0 {
		e.since = now
	}
	e.asking, e.settled, e.hinted = false, true, true
	e.failures++
	e.failed, e.retry = err, now.Add(wait)
}

// instances returns what the container makes.
func (e *entry) instances(b builder) built {
	switch {
	case e.facts == nil:
		return built{instances: e.known}
	case e.stale:
		health, note := e.facts.state()
		if e.mark.stops(e.facts) {
			health, note = e.mark.health()
		}
		e.made, e.stale = b.build(e.facts, health, note), false
	}
	return e.made
}
