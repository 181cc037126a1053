package lane

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/fairlead/fairlead/plugins/network"
)

// handed is a connection that the lane has given to Caddy. As long as nothing was written to it, it can go back: see network.Recall.
type handed struct {
	net.Conn // as the lane got it
	group    *group
	owner    *listener // whose server has it
	gone     func()    // tells the lane that it is closed or comes back
	recall   network.Recall
}

// handedTLS is one that knows its TLS state, by which net/http and Caddy tell what it is.
type handedTLS struct {
	*handed
	connectionStater
}

type connectionStater interface {
	ConnectionState() tls.ConnectionState
}

// owned is what is told whose server has accepted it.
type owned interface{ own(l *listener) }

// newHanded makes a connection ready for a server, with what the lane has read from it. The lane is done with it, but for counting it
// until gone is called.
func newHanded(g *group, c net.Conn, unread []byte, gone func()) net.Conn {
	_ = c.SetDeadline(time.Time{}) // fails only if it is closed, and then its reader will see
	h := &handed{Conn: c, group: g, gone: gone}
	h.recall.Repeat(unread)
	if state, ok := c.(connectionStater); ok {
		return &handedTLS{h, state}
	}
	return h
}

func (h *handed) own(l *listener) { h.owner = l }

// closeUnserved closes a connection that nobody can serve.
func closeUnserved(c net.Conn) {
	if h, ok := c.(interface{ shut() error }); ok {
		h.shut()
		return
	}
	c.Close()
}

// Read reads what the lane had read first.
func (h *handed) Read(p []byte) (int, error) { return h.recall.Read(p, h.Conn, h.owner) }

// Write binds the connection to its server.
func (h *handed) Write(p []byte) (int, error) {
	if err := h.recall.Bind(); err != nil {
		return 0, err
	}
	return h.Conn.Write(p)
}

// ReadFrom is Write for sendfile and splice, where the connection beneath can do that.
func (h *handed) ReadFrom(r io.Reader) (int64, error) {
	if err := h.recall.Bind(); err != nil {
		return 0, err
	}
	return io.Copy(h.Conn, r)
}

// CloseWrite ends the sending side, where the connection can do that.
func (h *handed) CloseWrite() error {
	if half, ok := h.Conn.(interface{ CloseWrite() error }); ok && h.recall.Bind() == nil {
		return half.CloseWrite()
	}
	return h.Close()
}

// Bare returns the connection beneath once an answer was written and nothing is left to repeat, for whoever has taken it over; nil before.
func (h *handed) Bare() net.Conn {
	if !h.recall.Bare() {
		return nil
	}
	return h.Conn
}

// SetDeadline works as long as the connection was not given back.
func (h *handed) SetDeadline(t time.Time) error { return h.recall.Limit(h.Conn.SetDeadline, t) }

// SetReadDeadline works as long as the connection was not given back.
func (h *handed) SetReadDeadline(t time.Time) error { return h.recall.Limit(h.Conn.SetReadDeadline, t) }

// SetWriteDeadline works as long as the connection was not given back.
func (h *handed) SetWriteDeadline(t time.Time) error {
	return h.recall.Limit(h.Conn.SetWriteDeadline, t)
}

// Close closes the connection, or gives it back to the lane if a newer configuration is there and nothing has been answered.
func (h *handed) Close() error {
	if h.recall.Closed(h.Conn, h.owner, h.giveBack) {
		return nil
	}
	return h.shut()
}

// shut closes the connection for good.
func (h *handed) shut() error {
	h.gone()
	return h.Conn.Close()
}

func (h *handed) giveBack(read []byte) bool {
	h.gone()
	go h.group.lane.Serve(resume(h.Conn, read))
	return true
}

var (
	_ net.Conn = (*handed)(nil)
	_ owned    = (*handed)(nil)
)
