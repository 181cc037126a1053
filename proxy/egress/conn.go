package egress

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/proxy/direct"
	"github.com/fairlead/fairlead/proxy/http1"
)

// Conn is one connection to a member. It belongs to whoever got it until it is put back or closed; Abort alone may be called by
// another goroutine.
type Conn struct {
	*net.TCPConn
	// Reader buffers what the member sends.
	Reader http1.Reader
	// Reused tells that the connection has carried an exchange before, so that the member may have closed it meanwhile.
	Reused bool

	// OnGone is Abort as a value, to be handed to context.AfterFunc without an allocation for each request.
	OnGone func()

	key                   key
	aborted               atomic.Bool
	readUntil, writeUntil time.Time // the deadlines as set, zero for none
	expires               time.Time // while idle
	raw                   syscall.RawConn
	look                  func(fd uintptr) // sets silent, made once
	silent                bool
	direct                io.ReadWriter // reads and writes TCPConn at less cost
}

func newConn(c *net.TCPConn, k key) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	conn := &Conn{TCPConn: c, key: k, raw: raw, direct: direct.New(c)}
	conn.Reader.Reset(conn.direct)
	conn.OnGone = conn.Abort
	conn.look = func(fd uintptr) { conn.silent = direct.Silent(fd) }
	return conn, nil
}

// Read implements net.Conn. What Reader has buffered comes before it.
func (c *Conn) Read(p []byte) (int, error) { return c.direct.Read(p) }

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) { return c.direct.Write(p) }

// ReadSoon makes reads fail once d has passed, or up to as long again later: so loosely that a busy connection seldom moves its
// deadline.
func (c *Conn) ReadSoon(now time.Time, d time.Duration) {
	if left := c.readUntil.Sub(now); left < d || left > 2*d {
		c.readUntil = now.Add(2 * d)
		c.SetReadDeadline(c.readUntil)
		c.stayAborted()
	}
}

// ExtendRead makes reads fail once d has passed without another call. To be cheap it moves the deadline only when it has to, so that
// they may fail up to an eighth of d later, never earlier. Another goroutine may write meanwhile.
func (c *Conn) ExtendRead(now time.Time, d time.Duration) {
	if !fresh(c.readUntil, now, d) {
		c.readUntil = now.Add(d + d/8)
		c.SetReadDeadline(c.readUntil)
		c.stayAborted()
	}
}

// ExtendWrite does the same for writes.
func (c *Conn) ExtendWrite(now time.Time, d time.Duration) {
	if !fresh(c.writeUntil, now, d) {
		c.writeUntil = now.Add(d + d/8)
		c.SetWriteDeadline(c.writeUntil)
		c.stayAborted()
	}
}

// UnboundRead takes the deadline of reads off.
func (c *Conn) UnboundRead() {
	c.readUntil = time.Time{}
	c.SetReadDeadline(time.Time{})
	c.stayAborted()
}

// fresh reports whether a deadline as set is near enough to now+d.
func fresh(until, now time.Time, d time.Duration) bool {
	left := until.Sub(now)
	return left >= d && left <= d+d/8
}

// aLongTimeAgo makes pending reads and writes fail at once.
var aLongTimeAgo = time.Unix(1, 0)

// Abort makes every pending and later read and write fail. The owner still has to Close.
func (c *Conn) Abort() {
	c.aborted.Store(true)
	c.SetDeadline(aLongTimeAgo)
}

// stayAborted follows every move of a deadline, which may have come just after an Abort.
func (c *Conn) stayAborted() {
	if c.aborted.Load() {
		c.SetDeadline(aLongTimeAgo)
	}
}

// Close closes the connection and gives its buffer back.
func (c *Conn) Close() error {
	c.Reader.Release()
	return c.TCPConn.Close()
}
