package network

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Newcomers are the connections of a server whose first request has not been read. A server that shuts down drops them, most of them
// in the middle of a TLS handshake, where they cannot be given back; as a newer generation accepts by then, their number only
// falls and it is worth waiting for them.
type Newcomers struct {
	conns  sync.Map // of net.Conn
	number *tally
}

// NewNewcomers returns an empty set.
func NewNewcomers() *Newcomers { return &Newcomers{number: newTally()} }

// See is for http.Server's ConnState. It costs one atomic load per request while nobody is new.
func (n *Newcomers) See(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		n.number.up()
		n.conns.Store(c, nil)
		return
	}
	if n.number.number.Load() == 0 {
		return
	}
	if _, found := n.conns.LoadAndDelete(c); found {
		n.number.down()
	}
}

// Wait returns when there are no newcomers, or ctx ends.
func (n *Newcomers) Wait(ctx context.Context) { n.number.wait(ctx) }
