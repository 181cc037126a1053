package network

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/proxy/direct"
)

// conn is a connection that can change to a newer generation as long as nothing was written to it: see Recall.
type conn struct {
	*net.TCPConn
	direct   io.ReadWriter // reads and writes TCPConn at less cost
	listener *listener
	recall   Recall
	closed   atomic.Bool
}

// established counts the connections of HTTP servers, from being accepted to being closed.
var established = newTally()

// Drain waits until every connection of an HTTP server's shared listener is closed, those that were upgraded and that no HTTP server knows
// any more among them, or ctx ends.
func Drain(ctx context.Context) { established.wait(ctx) }

func newConn(tcp *net.TCPConn, l *listener, read []byte) *conn {
	c := &conn{TCPConn: tcp, direct: direct.New(tcp), listener: l}
	c.recall.safe = l.socket.use == forDNS // as every question is
	c.recall.Repeat(read)
	return c
}

// Read reads what an older generation had read first.
func (c *conn) Read(p []byte) (int, error) { return c.recall.Read(p, c.direct, c.listener) }

// Write binds the connection to its server.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.recall.Bind(); err != nil {
		return 0, err
	}
	return c.direct.Write(p)
}

// ReadFrom is Write for sendfile and splice.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.recall.Bind(); err != nil {
		return 0, err
	}
	return c.TCPConn.ReadFrom(r)
}

// WriteTo is Read for splice.
func (c *conn) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c.recall.rest())
	if err != nil {
		return int64(n), err
	}
	rest, err := c.TCPConn.WriteTo(w)
	return int64(n) + rest, err
}

// Bare returns the socket beneath once an answer was written and nothing is left to repeat, so that the kernel can move the bytes of
// whoever has taken the connection over; nil before.
func (c *conn) Bare() net.Conn {
	if !c.recall.Bare() {
		return nil
	}
	return c.TCPConn
}

// Settle binds the connection to whoever has it, who gives it back by other means; nothing is remembered any more.
func (c *conn) Settle() { c.recall.Settle() }

// SetDeadline works as long as the connection was not given back.
func (c *conn) SetDeadline(t time.Time) error { return c.recall.Limit(c.TCPConn.SetDeadline, t) }

// SetReadDeadline works as long as the connection was not given back.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.recall.Limit(c.TCPConn.SetReadDeadline, t)
}

// SetWriteDeadline works as long as the connection was not given back.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.recall.Limit(c.TCPConn.SetWriteDeadline, t)
}

// Close closes the connection, or gives it to a newer generation if there is one and nothing has been answered.
func (c *conn) Close() error {
	if c.recall.Closed(c.TCPConn, c.listener, c.giveBack) {
		return nil
	}
	return c.end()
}

// end closes the connection itself.
func (c *conn) end() error {
	if c.closed.CompareAndSwap(false, true) && c.listener.socket.use == forHTTP {
		established.down()
	}
	return c.TCPConn.Close()
}

func (c *conn) giveBack(read []byte) bool {
	q := &c.listener.socket.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.giveBack(newConn(c.TCPConn, c.listener, read))
}

var _ net.Conn = (*conn)(nil)
