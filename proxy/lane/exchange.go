package lane

import (
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

// bodyKind is how a request's body is sent.
type bodyKind uint8

const (
	noBody   bodyKind = iota
	buffered          // whole, in wire behind the head
	streamed          // piece by piece, while the response may already come
)

// exchange is one request on its way: what is known about it, the places it holds and the buffers it uses.
type exchange struct {
	site *Site
	job  dispatch.Job
	req  http1.Request
	resp http1.Response
	// text holds the request's head where the client's buffer is needed for its body.
	text []byte

	// forwarded, forwardedFor, proto, host and cookies are the values of those fields; options what Connection lists.
	forwarded, forwardedFor, proto, host, cookies []string
	options                                       message.Options

	// wire is the request as sent: the head, and the body as far as it is buffered.
	wire    []byte
	headLen int
	body    bodyKind
	up      http1.Body // of the request, if it is streamed

	to     egress.Target // where the present attempt leads
	member member
	down   http1.Body // of the response
	// begun tells that a byte of a response has come: from then on nothing can be tried again. written tells that a head was sent to the
	// client, whole that the request's body is complete: at hand, or sent.
	begun, written, whole bool
	sent                  bool // a byte of the request, to the present member
	stuck                 bool // the member takes no more of a streamed body
	// consumed tells that the client's body was read to its end, so that its next request can follow.
	consumed *atomic.Bool

	spliced bool   // the kernel moves the response's body
	chunks  bool   // the response's body is sent in chunks
	interim int    // interim responses so far
	out     []byte // what the client gets next

	// started is when the head was complete, phase when the present wait began.
	started, phase time.Time
	record         Record
	bodyFrom       time.Time // when the body began to come
	bodySeen       int64
	uploadedAt     time.Time     // when a streamed body was sent
	stall          time.Duration // how long the client may take for what it gets
}

var exchanges = sync.Pool{New: func() any { return &exchange{consumed: new(atomic.Bool)} }}

// maxKept is the largest buffer that goes back to the pool with its exchange.
const maxKept = 16 << 10

// errGone is why a client's connection ended where the engine saw it end.
var errGone = errors.New("its connection is closed")

func newExchange(site *Site, now time.Time) *exchange {
	x := exchanges.Get().(*exchange)
	x.site, x.started, x.phase = site, now, now
	return x
}

// finish ends the exchange: it gives back the places it holds, tells whom it concerns, and is over.
func (x *exchange) finish(t *turn) {
	if x.site.Ended != nil {
		x.report(t)
	}
	x.job.End()
	x.recycle()
	t.x = nil
}

// recycle keeps what can be used again.
func (x *exchange) recycle() {
	clear(x.req.Fields)
	clear(x.resp.Fields)
	kept := exchange{
		job: x.job, req: http1.Request{Fields: x.req.Fields[:0]}, resp: http1.Response{Fields: x.resp.Fields[:0]},
		forwarded: clipped(x.forwarded), forwardedFor: clipped(x.forwardedFor), proto: clipped(x.proto), host: clipped(x.host),
		cookies: clipped(x.cookies), options: clipped(x.options), up: x.up, down: x.down, consumed: x.consumed,
	}
	x.consumed.Store(false)
	for _, b := range [...]struct{ from, to *[]byte }{{&x.text, &kept.text}, {&x.wire, &kept.wire}, {&x.out, &kept.out}} {
		if cap(*b.from) <= maxKept {
			*b.to = (*b.from)[:0]
		}
	}
	*x = kept
	exchanges.Put(x)
}

func clipped[S ~[]string](s S) S {
	clear(s)
	return s[:0]
}

// Header implements dispatch.Request.
func (x *exchange) Header(name string) string {
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; len(f.Name) == len(name) && sameName(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Cookies implements dispatch.Request.
func (x *exchange) Cookies() []string { return x.cookies }

// Path implements dispatch.Request.
func (x *exchange) Path() string {
	u, err := url.ParseRequestURI(x.req.Target)
	if err != nil { // plainTarget lets none through
		return x.req.Target
	}
	return u.Path
}

var _ dispatch.Request = (*exchange)(nil)

// sameName reports whether two field names of one length are the same, of which b is in canonical form.
func sameName(a, b string) bool {
	for i := range len(a) {
		if within[a[i]] != within[b[i]] {
			return false
		}
	}
	return true
}

// repeatable reports whether sending the request twice does no harm and is possible.
func (x *exchange) repeatable() bool { return x.body != streamed && dispatch.Idempotent(x.req.Method) }

// unread reports whether a part of the request's body has not been read.
func (x *exchange) unread() bool { return !x.whole && !x.consumed.Load() }
