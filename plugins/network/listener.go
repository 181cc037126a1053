package network

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// queue is the order of the listeners of one socket. The newest one whose configuration has started accepts; the others wait to be
// closed, or for their turn.
type queue struct {
	mu        sync.Mutex
	listeners []*listener // oldest first
	// returned are connections that an older generation gave back unanswered.
	returned []*conn
}

// listener is one generation's share of a socket.
type listener struct {
	socket    *socket
	tcp       *net.TCPListener // its own descriptor; guarded by the queue
	addr      net.Addr
	keepAlive net.KeepAliveConfig
	of        *Generation   // nil outside of one
	wake      chan struct{} // capacity 1: look again whether it is your turn
	closed    bool          // guarded by the queue
	lent      bool          // somebody else accepts in its place; guarded by the queue
	shut      bool          // tcp is closed meanwhile; guarded by the queue
}

var past = time.Unix(1, 0)

// openListener opens a listener of an address.
func openListener(ctx context.Context, use use, address caddy.NetworkAddress, config net.ListenConfig) (*listener, error) {
	s, err := acquire(ctx, use, address, config)
	if err != nil {
		return nil, err
	}
	l, err := newListener(s, config.KeepAliveConfig)
	if err != nil {
		s.release()
		return nil, err
	}
	return l, nil
}

func newListener(s *socket, keepAlive net.KeepAliveConfig) (*listener, error) {
	tcp, err := s.listener()
	if err != nil {
		return nil, err
	}
	l := &listener{socket: s, tcp: tcp, addr: tcp.Addr(), keepAlive: keepAlive, of: loading.Load(), wake: make(chan struct{}, 1)}
	q := &s.queue
	q.mu.Lock()
	q.listeners = append(q.listeners, l)
	q.mu.Unlock()
	q.lookAgain()
	return l, nil
}

// lookAgain makes every listener look whether it is its turn.
func (q *queue) lookAgain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.listeners {
		l.lookAgain()
	}
}

// lookAgain ends a wait of the listener, also one that is just about to begin. The caller holds the queue.
func (l *listener) lookAgain() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
	l.tcp.SetDeadline(past) // fails only if it is closed, and then nobody waits
}

// newest returns the listener whose turn it is, or nil. The caller holds the queue.
func (q *queue) newest() *listener {
	for _, l := range slices.Backward(q.listeners) {
		if !l.of.Waiting() {
			return l
		}
	}
	if len(q.listeners) == 0 {
		return nil
	}
	return q.listeners[len(q.listeners)-1] // the first configuration: there is nobody else
}

// Accept waits for a connection while the listener is the newest of its socket, and for that to happen while it is not.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, from, err := l.turn()
		if c != nil || err != nil {
			return c, err
		}
		if from == nil {
			<-l.wake
			continue
		}
		accepted, err := from.AcceptTCP()
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			continue // it may not be the listener's turn any more
		}
		if err != nil {
			return nil, err
		}
		if c := l.keep(l.prepare(accepted)); c != nil {
			return c, nil
		}
	}
}

// turn returns what to accept from if it is the listener's turn, or a connection given back.
func (l *listener) turn() (c net.Conn, from *net.TCPListener, err error) {
	q := &l.socket.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.closed {
		return nil, nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	if q.newest() != l {
		return nil, nil, nil
	}
	if len(q.returned) > 0 {
		first := q.returned[0]
		q.returned = q.returned[1:]
		first.listener = l
		return first, nil, nil
	}
	if l.lent {
		return nil, nil, nil
	}
	if l.shut {
		tcp, err := l.socket.listener()
		if err != nil {
			return nil, nil, err
		}
		l.tcp, l.shut = tcp, false
	}
	l.tcp.SetDeadline(time.Time{})
	return nil, l.tcp, nil
}

// prepare gives a connection the keep-alive probes of this generation, where they are not Go's own, and the means to be given back.
func (l *listener) prepare(accepted *net.TCPConn) *conn {
	l.probe(accepted)
	if l.socket.use == forHTTP {
		established.up()
	}
	return newConn(accepted, l, nil)
}

// probe sets the connection's keep-alive probes, where they are not Go's own.
func (l *listener) probe(c *net.TCPConn) {
	if ka := l.keepAlive; !ka.Enable || ka.Idle != 0 || ka.Interval != 0 || ka.Count != 0 {
		c.SetKeepAliveConfig(ka) // an error means that the connection is dead; its reader will see
	}
}

// keep returns c if it is still this listener's turn, and otherwise gives c to the one whose turn it is.
func (l *listener) keep(c *conn) net.Conn {
	q := &l.socket.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.newest() == l {
		return c
	}
	if !q.giveBack(c) {
		c.end()
	}
	return nil
}

// giveBack hands a connection to the newest listener; false if there is none. The caller holds the queue.
func (q *queue) giveBack(c *conn) bool {
	heir := q.newest()
	if heir == nil {
		return false
	}
	q.returned = append(q.returned, c)
	heir.lookAgain()
	return true
}

// Over implements Server.
func (l *listener) Over() bool {
	q := &l.socket.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	return l.closed
}

// Succeeded implements Server.
func (l *listener) Succeeded() bool {
	q := &l.socket.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	heir := q.newest()
	return heir != nil && heir != l
}

// Close ends this generation's share. What waits in the socket's queue stays there for the others.
func (l *listener) Close() error {
	q := &l.socket.queue
	q.mu.Lock()
	if l.closed {
		q.mu.Unlock()
		return net.ErrClosed
	}
	l.closed = true
	q.listeners = slices.DeleteFunc(q.listeners, func(other *listener) bool { return other == l })
	l.lookAgain()
	if heir := q.newest(); heir != nil {
		heir.lookAgain()
	} else {
		for _, c := range q.returned {
			c.end()
		}
		q.returned = nil
	}
	var err error
	if !l.shut {
		err = l.tcp.Close()
	}
	q.mu.Unlock()
	l.socket.release()
	return err
}

// Addr returns the socket's address.
func (l *listener) Addr() net.Addr { return l.addr }

var (
	_ net.Listener = (*listener)(nil)
	_ Server       = (*listener)(nil)
)
