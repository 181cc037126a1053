package lane

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/proxy/direct"
	"github.com/fairlead/fairlead/proxy/egress"
)

// longAgo as a deadline ends a wait at once.
var longAgo = time.Unix(1, 0)

// blocking is a client's connection whose reads and writes wait.
type blocking struct {
	net.Conn
	writeUntil time.Time // as set, zero for none

	mu        sync.Mutex // an upload reads beside the machine
	readUntil time.Time  // as set, zero for none
	stopped   bool
}

// Send implements conn.
func (c *blocking) Send(p []byte) error {
	_, err := c.Conn.Write(p)
	return err
}

// Pending implements conn.
func (c *blocking) Pending() bool { return false }

// ExtendRead implements conn.
func (c *blocking) ExtendRead(now time.Time, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := c.readUntil.Sub(now); !c.stopped && (left < d || left > d+d/8) {
		c.readUntil = now.Add(d + d/8)
		c.Conn.SetReadDeadline(c.readUntil)
	}
}

// ExtendWrite implements conn.
func (c *blocking) ExtendWrite(now time.Time, d time.Duration) {
	if left := c.writeUntil.Sub(now); left < d || left > d+d/8 {
		c.writeUntil = now.Add(d + d/8)
		c.Conn.SetWriteDeadline(c.writeUntil)
	}
}

// stopReads makes reads fail, also one that waits, until resumeReads.
func (c *blocking) stopReads() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.Conn.SetReadDeadline(longAgo)
}

// resumeReads lets reads wait again, without limit.
func (c *blocking) resumeReads() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.readUntil = false, time.Time{}
	c.Conn.SetReadDeadline(time.Time{})
}

// Abort implements client: by a reset, where the connection is TCP; in TLS the missing close_notify tells (RFC 8446 §6.1).
func (c *blocking) Abort() {
	bare := belowTLS(c.Conn)
	if linger, ok := bare.(interface{ SetLinger(int) error }); ok {
		linger.SetLinger(0)
	}
	bare.Close()
}

// belowTLS returns the connection that carries c, which is c where there is no TLS.
func belowTLS(c net.Conn) net.Conn {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = inner.NetConn()
	}
}

// hungUp reports whether a connection is broken in both directions. One whose other end has only ended its side is not.
func hungUp(c net.Conn) (gone bool) {
	socket, ok := belowTLS(c).(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	return err != nil || raw.Control(func(fd uintptr) { gone = direct.HungUp(fd) }) != nil || gone
}

// CloseWrite implements client.
func (c *blocking) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return io.ErrClosedPipe
}

// stretch is how much the kernel moves at a time. A client that takes longer than StallTimeout for one is taken to have stalled.
const stretch = 256 << 10

// splice implements splicer, between bare TCP sockets.
func (c *blocking) splice(from conn, n int64) (moved int64, err error, ok bool) {
	source, ok := from.(upstream)
	if !ok {
		return 0, nil, false
	}
	sink, ok := bareTCP(c.Conn)
	if !ok {
		return 0, nil, false
	}
	n = min(n, stretch)
	moved, err = sink.ReadFrom(&io.LimitedReader{R: source.TCPConn, N: n})
	switch {
	case err != nil:
		err = unblamed{err}
	case moved < n:
		err = io.ErrUnexpectedEOF
	}
	return moved, err, true
}

// bareTCP returns the TCP connection that c is, or says of itself to be nothing more than.
func bareTCP(c net.Conn) (*net.TCPConn, bool) {
	for c != nil {
		if tcp, ok := c.(*net.TCPConn); ok {
			return tcp, true
		}
		wrapped, ok := c.(interface{ Bare() net.Conn })
		if !ok {
			return nil, false
		}
		c = wrapped.Bare()
	}
	return nil, false
}

// upstream is a member's connection whose reads and writes wait.
type upstream struct{ *egress.Conn }

// Send implements conn.
func (c upstream) Send(p []byte) error {
	_, err := c.Write(p)
	return err
}

// Pending implements conn.
func (c upstream) Pending() bool { return false }

var (
	_ client  = (*blocking)(nil)
	_ splicer = (*blocking)(nil)
	_ conn    = upstream{}
)
