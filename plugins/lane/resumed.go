package lane

import "net"

// resumed is a connection that comes back to the lane with bytes that were read from it.
type resumed struct {
	net.Conn
	unread []byte
}

// resumedTLS is one that knows its TLS state.
type resumedTLS struct {
	*resumed
	connectionStater
}

// resumer is what the lane may hand over again.
type resumer interface {
	// resume returns the connection itself and what is unread of it, after the bytes given.
	resume(read []byte) (net.Conn, []byte)
}

// resume makes a connection ready for the lane again.
func resume(c net.Conn, unread []byte) net.Conn {
	if len(unread) == 0 {
		return c
	}
	r := &resumed{c, unread}
	if state, ok := c.(connectionStater); ok {
		return &resumedTLS{r, state}
	}
	return r
}

// Read reads what was read before first.
func (r *resumed) Read(p []byte) (int, error) {
	if len(r.unread) > 0 {
		n := copy(p, r.unread)
		r.unread = r.unread[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

func (r *resumed) resume(read []byte) (net.Conn, []byte) { return r.Conn, append(read, r.unread...) }

// Bare returns the connection beneath once nothing is left to repeat; nil before.
func (r *resumed) Bare() net.Conn {
	if len(r.unread) > 0 {
		return nil
	}
	return r.Conn
}

// CloseWrite ends the sending side, where the connection can do that.
func (r *resumed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return r.Close()
}
