package lane

import (
	"io"
	"net"
	"syscall"
)

// Cable is a client's TCP connection below TLS, which changes hands under it: Go's poller waits for it during the handshake, a loop later,
// and Go's poller again after a hand-over. It is to be put between the listener and TLS; an engine that needs none works with it as well.
type Cable struct {
	net.Conn
	loop carrier // nil while Go's poller has it
}

// carrier is a loop's way to read and write.
type carrier interface {
	io.Reader
	Send(p []byte) error
}

// Holder is a connection that is more than its socket, which it can do without for a time.
type Holder interface {
	net.Conn
	// Detach returns another descriptor of the socket, nonblocking, and closes its own; it fails if the socket must stay. Until Attach only
	// Close may be called, which does what else a connection's end means.
	Detach() (fd int, err error)
	// Attach gives it the socket back.
	Attach(c *net.TCPConn)
}

// Read implements net.Conn.
func (c *Cable) Read(p []byte) (int, error) {
	if c.loop != nil {
		return c.loop.Read(p)
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn. In a loop it takes everything: the machine above sees to it that it is not much.
func (c *Cable) Write(p []byte) (int, error) {
	if c.loop == nil {
		return c.Conn.Write(p)
	}
	if err := c.loop.Send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// NetConn returns the connection, for those who look for its socket.
func (c *Cable) NetConn() net.Conn { return c.Conn }

// Bare tells that a Cable adds nothing to its connection.
func (c *Cable) Bare() net.Conn {
	if c.loop != nil {
		return nil
	}
	return c.Conn
}

// detach takes the connection from Go's poller.
func (c *Cable) detach() (fd int, err error) {
	switch conn := c.Conn.(type) {
	case Holder:
		return conn.Detach()
	case *net.TCPConn:
		if fd, err = dupOf(conn); err == nil {
			conn.Close()
		}
		return fd, err
	}
	return -1, syscall.ENOTSUP
}

// attach gives it back to Go's poller.
func (c *Cable) attach(tcp *net.TCPConn) {
	c.loop = nil
	if holder, ok := c.Conn.(Holder); ok {
		holder.Attach(tcp)
		return
	}
	c.Conn = tcp
}

// ended tells the connection that its socket is closed.
func (c *Cable) ended() { c.Conn.Close() }
