package forward

import (
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/route"
)

// exchange is one request on its way: the job of finding its member, what else is known about it and the buffers it uses.
type exchange struct {
	dispatch.Job
	h    *Handler
	w    http.ResponseWriter
	r    *http.Request
	out  *Outcome // nil if nobody wants to know
	peer netip.Addr

	// trusted tells that the peer is a proxy whose forwarding headers count; early that the request is early data of our own TLS, which
	// somebody else may have recorded and sent again, from anywhere (RFC 8446 §8).
	trusted, early bool
	// now is the time of the current phase's start.
	now time.Time

	// wire is the request as sent: the head, and the body as far as it is buffered.
	wire    []byte
	body    bodyKind
	headLen int
	upgrade string // the protocol offered, "" for none
	key     string // our Sec-WebSocket-Key, where the client came by extended CONNECT

	resp http1.Response
	in   http1.Body
	up   *upload // the request body on its way, nil if it was sent with the head
	// begun tells that a byte of a response has come: from then on nothing can be tried again. written tells that the head of the final
	// response was passed on, cut that the response could not be finished.
	begun, written, cut bool

	stopWatch func() bool // nil while nobody watches for the client's leaving
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// maxKept is the largest buffer that goes back to the pool with its exchange.
const maxKept = 64 << 10

// newExchange decides about a request. end must follow.
func newExchange(h *Handler, w http.ResponseWriter, r *http.Request, out *Outcome) *exchange {
	x := exchanges.Get().(*exchange)
	x.h, x.w, x.r, x.out, x.peer = h, w, r, out, peerOf(r)
	x.early = r.TLS != nil && !r.TLS.HandshakeComplete
	x.Begin(&h.Desk, x, route.Ask{
		Host: r.Host, Peer: x.peer, Path: r.URL.Path,
		Forwarded: r.Header["Forwarded"], XForwardedFor: r.Header["X-Forwarded-For"],
		Early: x.early || slices.Contains(r.Header["Early-Data"], "1"),
	})
	return x
}

// end gives back the places the exchange holds, on every way out, and the exchange itself.
func (x *exchange) end() {
	x.End()
	wire, fields := x.wire, x.resp.Fields
	clear(fields)
	*x = exchange{Job: x.Job}
	if cap(wire) <= maxKept {
		x.wire = wire[:0]
	}
	x.resp.Fields = fields[:0]
	exchanges.Put(x)
}

// serve sends the request to members until one has answered.
func (x *exchange) serve() *dispatch.Refusal {
	x.now, x.trusted = time.Now(), !x.early && x.Trusted()
	if refusal := x.prepare(); refusal != nil {
		return refusal
	}
	if refusal := x.enter(); refusal != nil {
		return refusal
	}
	for {
		f := x.attempt()
		if f == nil {
			return nil
		}
		x.Blame(f)
		if !x.again(f) {
			return f.Refusal()
		}
	}
}

// enter takes a place in the pool and at a member, waiting for both if the limits say so.
func (x *exchange) enter() *dispatch.Refusal {
	entered, refusal := x.Enter()
	if entered || refusal != nil {
		return refusal
	}
	refusal = x.Wait(x.r.Context())
	now := time.Now()
	if x.out != nil {
		x.out.Queued = now.Sub(x.now)
	}
	x.now = now
	return refusal
}

// attempt sends the request to the member whose place is held. A kept connection that turns out to be dead is replaced by a new one
// to the same member, which is not to blame: closing idle connections is its right (RFC 9112 §9.5).
func (x *exchange) attempt() *dispatch.Failure {
	if x.out != nil {
		x.out.Pool, x.out.Member, x.out.Attempts = x.Pool, x.Member, x.Attempts()
	}
	if x.speaksH2C() {
		return x.overH2C()
	}
	to := egress.To(x.Pool, x.Member)
	if c := x.h.Transport.Idle(&to, x.now, !x.repeatable()); c != nil {
		f := x.overH1(c)
		if f == nil || !f.Stale || !(f.Unsent || x.repeatable()) {
			return f
		}
	}
	c, err := x.h.Transport.Dial(x.r.Context(), &to)
	if err != nil {
		return x.dialFailure(err)
	}
	return x.overH1(c)
}

// again prepares the next attempt at another member, if there may be one (RFC 9110 §9.2.2): no byte of a response has come, no byte
// of the request was sent or repeating it does no harm, its body is still at hand, and the job finds a member.
func (x *exchange) again(f *dispatch.Failure) bool {
	if x.begun || x.r.Context().Err() != nil {
		return false
	}
	if !x.repeatable() && !(f.Unsent && x.bodyAtHand()) {
		return false
	}
	if !x.Retry(f) {
		return false
	}
	x.now = time.Now()
	return true
}

// repeatable reports whether sending the request twice does no harm and is possible.
func (x *exchange) repeatable() bool {
	return x.body != streamed && x.upgrade == "" && dispatch.Idempotent(x.r.Method)
}

// bodyAtHand reports whether the whole body can still be sent.
func (x *exchange) bodyAtHand() bool { return x.body != streamed || x.up == nil }
