package lane

import (
	"errors"
	"strings"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/route"
)

// preface is the beginning of HTTP/2 (RFC 9113 §3.4), up to where it looks like a head's end.
const preface = "PRI * HTTP/2.0\r\n\r\n"

// acmeChallenge is where a server proves to a certificate authority that a name is its own (RFC 8555 §8.3).
const acmeChallenge = "/.well-known/acme-challenge/"

// readHead reads a request's head and begins to serve it.
func (t *turn) readHead() bool {
	site := t.listener.site.Load()
	if t.in.Buffered() == 0 {
		if err := t.rest(site); err != nil {
			return t.noHead(site, err)
		}
	}
	if t.posted && t.in.Bytes()[0] == '\r' {
		return t.skipLine(site)
	}
	if !t.begun && !http1.ValidName(t.in.Bytes()[:1]) {
		return t.refuse(site, http1.ErrRequestLine)
	}
	head, err := t.in.WholeHead(site.Limits.Head)
	if head == nil && err == nil {
		if !t.begun {
			t.begun = true
			t.client.ExtendRead(t.engine.now(), site.Times.Head)
		}
		head, err = t.in.Head(site.Limits.Head)
	}
	if err != nil {
		return t.noHead(site, err)
	}
	t.begun, t.rests = false, false
	return t.take(t.listener.site.Load(), head) // it may be another one than that of the time when the wait began
}

// skipLine takes one empty line off, which net/http does behind a POST, too.
func (t *turn) skipLine(site *Site) bool {
	for t.in.Buffered() < 2 {
		if err := t.in.Fill(); err != nil {
			return t.noHead(site, err)
		}
	}
	if t.in.Bytes()[1] != '\n' {
		return t.refuse(site, http1.ErrRequestLine)
	}
	t.in.Discard(2)
	t.posted = false
	return true
}

// rest waits for the first bytes of a request.
func (t *turn) rest(site *Site) error {
	if !t.rests {
		t.rests = true
		t.client.ExtendRead(t.engine.now(), site.Times.Idle)
	}
	if t.idling != nil {
		t.idling.begin()
		defer t.idling.end()
	}
	if t.listener.draining.Load() {
		return errDrained
	}
	t.in.Lend(t.engine.intake())
	return t.in.Fill()
}

var errDrained = errors.New("the listener is drained")

// noHead says what becomes of a connection from which no head has come.
func (t *turn) noHead(site *Site, err error) bool {
	switch {
	case err == error(errAgain):
		if t.in.Buffered() == 0 {
			t.in.Release()
		}
	case isMessageError(err):
		return t.refuse(site, err)
	default:
		if t.in.Buffered() > 0 && dispatch.IsTimeout(err) {
			t.turned(site, HeadTimeout)
		}
		t.close()
	}
	return false
}

// isMessageError reports whether err is the message's fault and not the connection's.
func isMessageError(err error) bool {
	return errors.Is(err, http1.ErrHeadTooLarge) || errors.Is(err, http1.ErrBareLF)
}

// take decides what becomes of a request.
func (t *turn) take(site *Site, head []byte) bool {
	if string(head) == preface && !t.used {
		return t.handOver(site, len(head))
	}
	x := t.stock.take(site, t.engine.now())
	x.text = append(x.text[:0], head...)
	if err := x.req.Parse(view(x.text), site.Limits.Head); err != nil {
		t.stock.put(x)
		return t.refuse(site, err)
	}
	if !x.plain() || !site.Serves(x.req.Host, t.sni) {
		t.stock.put(x)
		return t.handOver(site, len(head))
	}
	x.sort()
	x.job.Begin(site.Desk, x, route.Ask{
		Host: x.req.Host, Peer: t.remote.Addr(), Path: x.req.Target, Forwarded: x.forwarded, XForwardedFor: x.forwardedFor,
	})
	if x.job.Decision.Code != route.OK || dispatch.SpeaksH2C(x.job.Pool.Spec, 1, "") {
		x.job.End()
		t.stock.put(x)
		return t.handOver(site, len(head))
	}
	t.x = x
	t.used, t.posted = true, x.req.Method == "POST"
	t.last = x.req.Close || t.listener.draining.Load()
	return t.prepare()
}

// plain reports whether the request is one that the lane serves: what it leaves out is for net/http to serve or to refuse.
func (x *exchange) plain() bool {
	r := &x.req
	if r.Minor != 1 || r.Host == "" || len(r.Method) > 32 || r.Method == "CONNECT" || r.Method == "TRACE" || !plainTarget(r.Target) {
		return false
	}
	if strings.HasPrefix(r.Target, acmeChallenge) {
		return false
	}
	for i := range r.Fields {
		switch f := &r.Fields[i]; f.Kind {
		case http1.Expect, http1.Upgrade:
			return false
		case http1.Other:
			if http1.EqualFold(f.Name, "early-data") {
				return false // a proxy in front passes on what nobody has proven to be fresh (RFC 8470)
			}
		case http1.Trailer: // announcing what frames a message is an error to net/http
			for _, name := range [...]string{"content-length", "transfer-encoding", "trailer"} {
				if http1.HasToken(f.Value, name) {
					return false
				}
			}
		}
	}
	return true
}

// sort notes the fields that something depends on.
func (x *exchange) sort() {
	for i := range x.req.Fields {
		switch f := &x.req.Fields[i]; f.Kind {
		case http1.Connection:
			x.options = x.options.Append(f.Value)
		case http1.Other:
			if list := x.listOf(f.Name); list != nil {
				*list = append(*list, f.Value)
			}
		}
	}
}

// listOf returns where the values of a field are noted, nil for one that nothing depends on.
func (x *exchange) listOf(name string) *[]string {
	switch {
	case http1.EqualFold(name, "cookie"):
		return &x.cookies
	case http1.EqualFold(name, "forwarded"):
		return &x.forwarded
	case http1.EqualFold(name, "x-forwarded-for"):
		return &x.forwardedFor
	case http1.EqualFold(name, "x-forwarded-host"):
		return &x.host
	case http1.EqualFold(name, "x-forwarded-proto"):
		return &x.proto
	}
	return nil
}

// prepare puts the request into the form it is sent in, to as many members as need be.
func (t *turn) prepare() bool {
	x := t.x
	x.stall = x.job.Pool.Spec.StallTimeout
	framing := x.req.Framing()
	x.whole = framing.Kind == http1.NoBody
	switch {
	case x.whole:
		x.body = noBody
	case framing.Kind == http1.Sized && framing.Length <= int64(x.job.Pool.Spec.RetryBuffer):
		x.body = buffered
	default:
		x.body = streamed
	}
	var err error
	if x.wire, err = x.appendHead(x.wire[:0], t); err != nil {
		return t.fail(&dispatch.Refusal{Status: 400, Cause: dispatch.BadRequest, Reason: err.Error()})
	}
	x.headLen = len(x.wire)
	switch x.body {
	case buffered:
		x.bodyFrom = x.phase
		t.state = inBody
		return true
	case streamed:
		x.up.Reset(&t.in, framing)
		x.bodyFrom = x.phase
	}
	return t.enter()
}

// turned tells of a connection turned away.
func (t *turn) turned(site *Site, why Turn) {
	if site.Turned != nil {
		site.Turned(t.remote, why)
	}
}

// handOver gives the connection to the server behind, with the n bytes of the head that were taken off and all that follow.
func (t *turn) handOver(site *Site, n int) bool {
	t.in.Unread(n)
	unread := append([]byte(nil), t.in.Bytes()...)
	t.in.Release()
	t.state = over
	if c := t.engine.release(t); c != nil {
		site.HandOver(c, unread, t.listener.clients.lend(&site.Limits, t.remote.Addr()))
	}
	return false
}
