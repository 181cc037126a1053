package lane

import (
	"net"
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
)

// state is what a turn waits for.
type state uint8

const (
	atHead    state = iota // a request's head
	inBody                 // the rest of a request's body, before any of it is sent
	entering               // a place in the pool and at a member
	dialling               // a connection to a member
	awaiting               // the head of the response
	relaying               // the body of the response
	ending                 // the client to take what is left of a response
	lingering              // the client to stop sending, after a response that came early
	over                   // nothing: the connection is not ours any more
)

// turn is a client's connection with its present request, as a machine of states. It is run by one goroutine at a time, and goes on until
// it has to wait for something.
type turn struct {
	listener *Listener
	engine   engine
	stock    *stock
	client   client
	in       http1.Reader // of the client's connection
	remote   netip.AddrPort
	sni      string
	secure   bool     // behind TLS
	origin   net.Conn // the connection as it came to the engine, for records; nil if it has no such thing

	state state
	begun bool // a part of the next head has come, and there is more to come
	rests bool // the limit for the next head's beginning is set
	used  bool // there was a request
	// posted says that the last request was a POST, behind which old clients send an empty line (RFC 9112 §2.2).
	posted bool
	// last says that the connection ends with the present response.
	last bool
	// gone says that the client's connection is broken.
	gone bool
	x    *exchange // nil between requests

	lingerUntil time.Time
	// idling, if it is not nil, lets another goroutine end the wait for a head.
	idling *idling
}

// run goes on as far as possible. It borrows the engine's buffers for as long.
func (t *turn) run() {
	for t.step() {
	}
	t.in.Settle()
	if t.x != nil && t.x.member.conn != nil {
		t.x.member.in.Settle()
	}
}

// step does one thing and reports whether there is more to do at once.
func (t *turn) step() bool {
	if t.gone {
		t.clientGone()
		return false
	}
	switch t.state {
	case atHead:
		return t.readHead()
	case inBody:
		return t.readBody()
	case awaiting:
		return t.readAnswer()
	case relaying:
		return t.relay()
	case ending:
		return t.end()
	case lingering:
		return t.linger()
	}
	return false
}

// close ends the connection.
func (t *turn) close() {
	t.state = over
	t.dropExchange()
	t.in.Release()
	t.engine.leave(t)
}

// clientGone ends everything because the client's connection is broken. What the engine waits for comes to its end first.
func (t *turn) clientGone() {
	if t.state == over || t.state == entering || t.state == dialling {
		return
	}
	if t.x != nil && !t.x.written {
		t.x.record.Refusal = dispatch.ClientLeft(errGone).Refusal()
		t.x.record.Status = dispatch.StatusClientGone
	} else if t.x != nil {
		t.x.record.Problem = "the client left"
	}
	t.client.Abort()
	t.close()
}

// dropExchange gives up the present exchange, if there is one. Its connection to the member ends with it.
func (t *turn) dropExchange() {
	if t.x == nil {
		return
	}
	t.dropMember()
	t.x.finish(t)
}

// dropMember closes the connection to the member, if there is one, and ends what is sent on it.
func (t *turn) dropMember() {
	x := t.x
	if x.member.conn == nil {
		return
	}
	t.engine.endUpload(t)
	x.member.in.Settle()
	x.member.Close()
	x.member = member{}
}
