package lane

import (
	"net"
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
)

// Site is what one configuration makes of a listener's address: what the lane serves there, and how. It is immutable; a new
// configuration replaces it as a whole, and connections go by the newest from their next request on.
type Site struct {
	Desk *dispatch.Desk

	// Serves reports whether the lane serves a host itself; requests for any other are handed over. It is asked for every request, with
	// Host as the client wrote it and the name it asked for by TLS, empty in clear. It must not keep the strings, which change.
	Serves func(host, sni string) bool
	// HandOver gives a connection to the server behind the lane, with what was read from it and not served: at a message's beginning, with
	// nothing of it answered. The connection is that which the lane got, in the state in which a server reads from it. gone, which may be
	// called more than once, says that it is closed or comes back: until then it counts for Limits. HandOver must not block.
	HandOver func(c net.Conn, unread []byte, gone func())

	Limits Limits
	Times  Times

	// Server is the Server field of responses whose member has sent none; empty for none. AltSvc, if not nil, returns the Alt-Svc
	// field's value, empty for none.
	Server string
	AltSvc func() string

	// Ended, if it is not nil, is told of every request that the lane has served or refused when it has ended. It must not keep r.
	Ended func(r *Record)
	// KeepResponse says that Ended wants Record.Response, which costs a copy of every response's fields.
	KeepResponse bool
	// Turned, if it is not nil, is told of connections and requests refused before there was a request to tell of.
	Turned func(remote netip.AddrPort, why Turn)
}

// Limits bound what clients may make us hold. The zero value of a field stands for its default.
type Limits struct {
	// Head bounds the heads of requests, Response those of responses.
	Head, Response http1.Limits
	// Conns is the most connections of the address, ConnsPerClient of one client's address: no limit by default.
	Conns, ConnsPerClient int
	// BodyRate is the least number of bytes a second at which a request's body must come, on average, once Times.BodyGrace has passed; no
	// limit by default.
	BodyRate int
}

// Times bound how long clients may keep us waiting; those of members are the pool's settings. The zero value of a field stands for its
// default.
type Times struct {
	// Head is how long a request's head may take from its first byte on, 60 s by default; Idle how long a connection may stay without a
	// request, 5 min.
	Head, Idle time.Duration
	// BodyGrace is the time before Limits.BodyRate counts, 5 s by default.
	BodyGrace time.Duration
	// Linger is how long what a client goes on sending is read and dropped when its connection ends before its request did, so that it
	// gets to read the answer (RFC 9112 §9.6): 500 ms by default.
	Linger time.Duration
}

func (t Times) withDefaults() Times {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&t.Head, time.Minute)
	set(&t.Idle, 5*time.Minute)
	set(&t.BodyGrace, 5*time.Second)
	set(&t.Linger, 500*time.Millisecond)
	return t
}

// Turn is why a connection or request was turned away, in a stable word.
type Turn string

// The reasons. Malformed requests are answered 400 or 431, the others are closed without an answer.
const (
	Malformed      Turn = "malformed_request"
	HeadTooLarge   Turn = "head_too_large"
	HeadTimeout    Turn = "head_timeout"
	TooManyConns   Turn = "too_many_connections"
	TooManyPerAddr Turn = "too_many_connections_of_client"
)
