package lane

import (
	"sync"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
)

// frames are buffers for chunks with their framing.
var frames = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10+32); return &b }}

// enter takes a place for the request, or waits for one.
func (t *turn) enter() bool {
	entered, refusal := t.x.job.Enter()
	switch {
	case refusal != nil:
		return t.fail(refusal)
	case entered:
		return t.connect()
	}
	t.state = entering
	return t.engine.enter(t)
}

// entered goes on after the wait for a place.
func (t *turn) entered(refusal *dispatch.Refusal) bool {
	now := t.engine.now()
	t.x.record.Queued = now.Sub(t.x.phase)
	t.x.phase = now
	if t.gone {
		t.state = awaiting
		return true
	}
	if refusal != nil {
		return t.fail(refusal)
	}
	return t.connect()
}

// connect finds a connection to the member whose place is held.
func (t *turn) connect() bool {
	x := t.x
	x.to = egress.To(x.job.Pool, x.job.Member)
	if m := t.engine.idle(t, &x.to, !x.repeatable()); m.conn != nil {
		return t.send(m)
	}
	return t.dial()
}

// dial opens a new connection to the member that x.to leads to.
func (t *turn) dial() bool {
	t.state = dialling
	m, err, done := t.engine.dial(t, t.x.to)
	if !done {
		return false
	}
	return t.dialled(m, err)
}

// dialled goes on with a new connection.
func (t *turn) dialled(m member, err error) bool {
	switch {
	case t.gone:
		if m.conn != nil {
			m.Close()
		}
		t.state = awaiting
		return true
	case err != nil:
		return t.failed(dispatch.NotConnected(err))
	}
	return t.send(m)
}

// send sends the request, as far as it is at hand.
func (t *turn) send(m member) bool {
	x, now := t.x, t.engine.now()
	x.member, x.sent = m, true
	m.ExtendWrite(now, x.job.Pool.Spec.ResponseTimeout)
	t.engine.await(t, now, x.job.Pool.Spec.ResponseTimeout)
	// A member may answer and close before it has read everything, so its answer counts for more than a failed write.
	if err := m.Send(x.wire); err != nil {
		x.sent = false // it was closed before
	}
	x.stuck = !x.sent
	t.state = awaiting
	return true
}

// failed takes an attempt without an answer, and makes another one if there may be one.
func (t *turn) failed(f *dispatch.Failure) bool {
	x := t.x
	t.dropMember()
	again := !x.begun && !t.gone && (x.repeatable() || f.Unsent && (x.body != streamed || x.bodySeen == 0))
	if f.Stale && again {
		// Closing idle connections is the member's right (RFC 9112 §9.5): it gets a second chance.
		return t.dial()
	}
	x.job.Blame(f)
	if again && x.job.Retry(f) {
		x.phase = t.engine.now()
		return t.connect()
	}
	return t.fail(f.Refusal())
}
