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
	job  dispatch.Job
	req  http1.Request
	resp http1.Response
	// text is the request's head, of which the strings of req are parts: the client's buffer is free for what follows.
	text []byte

	// forwarded, forwardedFor, proto, host and cookies are the values of those fields; options what Connection lists.
	forwarded, forwardedFor, proto, host, cookies []string
	options                                       message.Options

	// wire is the request as sent: the head, and the body as far as it is buffered.
	wire []byte
	out  []byte     // what the client gets next
	up   http1.Body // of the request, if it is streamed
	down http1.Body // of the response
	// consumed tells that the client's body was read to its end, so that its next request can follow.
	consumed atomic.Bool

	course
}

// course is the part of an exchange that begins anew with every request, and keeps no memory.
type course struct {
	site    *Site
	headLen int // of wire
	body    bodyKind
	to      egress.Target // where the present attempt leads
	member  member
	// begun tells that a byte of a response has come: from then on nothing can be tried again. written tells that a head was sent to the
	// client, whole that the request's body is complete: at hand, or sent.
	begun, written, whole bool
	sent                  bool // a byte of the request, to the present member
	stuck                 bool // the member takes no more of a streamed body

	spliced bool // the kernel moves the response's body
	chunks  bool // the response's body is sent in chunks
	interim int  // interim responses so far

	// started is when the head was complete, phase when the present wait began.
	started, phase time.Time
	record         Record
	bodyFrom       time.Time // when the body began to come
	bodySeen       int64
	uploadedAt     time.Time     // when a streamed body was sent
	stall          time.Duration // how long the client may take for what it gets
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

const (
	// maxKept is the largest buffer that an exchange keeps for the next request, maxFields the longest list of fields or of their values.
	maxKept   = 16 << 10
	maxFields = 128
)

// errGone is why a client's connection ended where the engine saw it end.
var errGone = errors.New("its connection is closed")

// keptExchanges is how many of the exchanges that are over a stock holds back from the pool.
const keptExchanges = 64

// stock holds exchanges that are over, for machines that are run by one goroutine: it needs none of the pool's care. The nil stock is the
// pool alone.
type stock struct{ spare []*exchange }

func (s *stock) take(site *Site, now time.Time) *exchange {
	var x *exchange
	if s != nil && len(s.spare) > 0 {
		end := len(s.spare) - 1
		x, s.spare = s.spare[end], s.spare[:end]
	} else {
		x = exchanges.Get().(*exchange)
	}
	x.site, x.started, x.phase = site, now, now
	return x
}

func (s *stock) put(x *exchange) {
	x.recycle()
	if s != nil && len(s.spare) < keptExchanges {
		s.spare = append(s.spare, x)
		return
	}
	exchanges.Put(x)
}

// finish ends the exchange: it gives back the places it holds, tells whom it concerns, and is over.
func (x *exchange) finish(t *turn) {
	if x.site.Ended != nil {
		x.report(t)
	}
	x.job.End()
	t.stock.put(x)
	t.x = nil
}

// recycle makes the exchange ready for another request. It keeps its memory, but for what is unusually large.
func (x *exchange) recycle() {
	x.course = course{}
	x.req = http1.Request{Fields: emptied(x.req.Fields)}
	x.resp = http1.Response{Fields: emptied(x.resp.Fields)}
	for _, list := range [...]*[]string{&x.forwarded, &x.forwardedFor, &x.proto, &x.host, &x.cookies, (*[]string)(&x.options)} {
		*list = emptied(*list)
	}
	for _, b := range [...]*[]byte{&x.text, &x.wire, &x.out} {
		if *b = (*b)[:0]; cap(*b) > maxKept {
			*b = nil
		}
	}
	x.consumed.Store(false)
}

// emptied returns s without its elements, whose strings would hold a buffer that is given up, and without its memory if that is large.
func emptied[S ~[]E, E any](s S) S {
	if cap(s) > maxFields {
		return nil
	}
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
