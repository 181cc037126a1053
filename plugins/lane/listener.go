package lane

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/fairlead/fairlead/plugins/network"
	"github.com/fairlead/fairlead/proxy/http1"
	door "github.com/fairlead/fairlead/proxy/lane"
)

// mostHandshakes is how many TLS handshakes one listener has under way; further connections wait in the socket's queue. Each costs some
// ten kilobytes, and as long as the client likes up to the time-out for request heads.
const mostHandshakes = 10_000

// listener is one configuration's share of a group.
type listener struct {
	net.Listener
	wrapper *Wrapper
	of      *network.Generation
	group   *group
	site    door.Site

	handshakes chan struct{} // one for each under way
	// err is why there is nothing more to accept; guarded by the group.
	err    error
	closed bool // by the server, guarded by the group
}

// run accepts from the listener beneath until it ends.
func (l *listener) run() {
	for pause := time.Duration(0); ; {
		c, err := l.Listener.Accept()
		if err == nil {
			pause = 0
			l.take(c)
			continue
		}
		var passing interface{ Temporary() bool }
		if !errors.As(err, &passing) || !passing.Temporary() {
			l.end(err)
			return
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second) // as net/http does: there are no descriptors left, say
		time.Sleep(pause)
	}
}

// take serves a new connection.
func (l *listener) take(c net.Conn) {
	if l.wrapper.off {
		l.group.offer(c)
		return
	}
	shaking, ok := c.(*tls.Conn)
	if !ok {
		settle(c)
		l.serve(c)
		return
	}
	l.handshakes <- struct{}{}
	go func() {
		err := l.shake(shaking)
		<-l.handshakes
		if err != nil {
			l.wrapper.unshaken(c, err)
			return
		}
		switch shaking.ConnectionState().NegotiatedProtocol {
		case "", "http/1.1":
			settle(c)
			l.serve(c)
		default:
			l.group.offer(c)
		}
	}()
}

// serve serves a connection by a loop if there are loops and they can have it, and by a goroutine otherwise.
func (l *listener) serve(c net.Conn) {
	if loops := l.wrapper.loops; loops == nil || l.wrapper.fallen.Load() || !loops.Adopt(c, l.group.lane) {
		go l.group.lane.Serve(c)
	}
}

// shake does the handshake within the time that net/http would grant.
func (l *listener) shake(c *tls.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.wrapper.handshakeTime())
	defer cancel()
	return c.HandshakeContext(ctx)
}

// unshaken ends a connection whose handshake has failed.
func (w *Wrapper) unshaken(c net.Conn, err error) {
	http1.AnswerClear(err)
	w.log.Debug("TLS handshake failed", "remote", c.RemoteAddr().String(), "reason", err.Error())
	c.Close()
}

// Accept returns what is handed over, while the listener is the newest of its address.
func (l *listener) Accept() (net.Conn, error) {
	g := l.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		if l.err != nil {
			return nil, l.err
		}
		if g.newest == l && len(g.handed) > 0 {
			c := g.handed[0]
			g.handed = g.handed[1:]
			if h, ok := c.(owned); ok {
				h.own(l)
			}
			return c, nil
		}
		g.changed.Wait()
	}
}

// end lets Accept return err.
func (l *listener) end(err error) {
	l.group.mu.Lock()
	defer l.group.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	l.group.changed.Broadcast()
}

// Close ends this configuration's share. The lane keeps its connections.
func (l *listener) Close() error {
	l.group.mu.Lock()
	again := l.closed
	l.closed = true
	l.group.mu.Unlock()
	if again {
		return net.ErrClosed
	}
	l.end(net.ErrClosed)
	err := l.Listener.Close()
	l.group.leave(l)
	return err
}

// Over implements network.Server.
func (l *listener) Over() bool {
	l.group.mu.Lock()
	defer l.group.mu.Unlock()
	return l.closed
}

// Succeeded implements network.Server.
func (l *listener) Succeeded() bool { return l.group.succeeded(l) }

// count counts a connection that is handed over.
func (l *listener) count() { l.wrapper.app.Edge().LaneHandedOver() }

// settle tells the connection beneath that it need not remember anything: what becomes of it at a reload is decided here.
func settle(c net.Conn) {
	for {
		switch inner := c.(type) {
		case interface{ Settle() }:
			inner.Settle()
			return
		case interface{ NetConn() net.Conn }: // *tls.Conn
			c = inner.NetConn()
		case interface{ Raw() net.Conn }: // the PROXY protocol's
			c = inner.Raw()
		default:
			return
		}
	}
}
