package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
)

// Guard accepts connections whose HTTP/1 requests are checked before net/http reads them.
//
// net/http is tolerant where this package is strict, and what it has resolved its handlers cannot see any more. It lets
// Transfer-Encoding win over Content-Length, ignores Transfer-Encoding in HTTP/1.0, joins folded lines, accepts lines that end with a
// bare LF and one Content-Length repeated. Members are safe from that, since forward frames every message anew; a proxy in front of us
// is not, if it reads such a request otherwise than we do. Behind a Guard they are answered 400, and the connection is closed.
//
// It works by replacing the offending line, so that net/http refuses it itself and in its turn after requests that came before. It
// belongs after TLS. HTTP/2 passes once its preface is seen, and so does what follows a 101, or a 2xx to CONNECT.
type Guard struct {
	net.Listener
	// Limits bound the heads; they should not be below those of the server, whose answer to what is too large is the right one.
	Limits Limits
	// Refused is told of every refusal, if it is not nil.
	Refused func(remote net.Addr, reason error)
	// Unshaken is told of every TLS handshake that failed, if it is not nil: net/http tells of its own only.
	Unshaken func(remote net.Addr, reason error)
}

// Accept implements net.Listener.
func (g *Guard) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	guarded := &guarded{Conn: c, guard: g}
	guarded.scan.limits = g.Limits
	if state, ok := c.(connectionStater); ok {
		return &guardedTLS{guarded: guarded, connectionStater: state}, nil
	}
	return guarded, nil
}

type connectionStater interface {
	ConnectionState() tls.ConnectionState
}

// guarded is one connection. Read and Write may be called by two goroutines.
type guarded struct {
	net.Conn
	guard *Guard
	scan  scanner
	// poison is what is still to be read in place of an offending line.
	poison  string
	refused bool
	ignored int // bytes after the poison
	// waits is what the response that comes next may agree to; switched tells that it has.
	waits    atomic.Uint32
	switched atomic.Bool
}

// guardedTLS is one that knows its TLS state, by which net/http and Caddy tell what it is.
type guardedTLS struct {
	*guarded
	connectionStater
	shaken bool // something was read, so that the handshake is done
}

// plainOnTLS is the answer to HTTP in clear where TLS is spoken.
const plainOnTLS = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nThis port speaks HTTPS.\n"

// Read implements net.Conn. The first one does the handshake.
func (c *guardedTLS) Read(p []byte) (int, error) {
	n, err := c.guarded.Read(p)
	if c.shaken {
		return n, err
	}
	c.shaken = true
	if err == nil || err == io.EOF {
		return n, err
	}
	AnswerClear(err)
	if c.guard.Unshaken != nil {
		c.guard.Unshaken(c.RemoteAddr(), err)
	}
	return n, err
}

// AnswerClear answers an HTTP client in clear where TLS is spoken, if that is why a handshake has failed.
func AnswerClear(err error) {
	var strange tls.RecordHeaderError
	if errors.As(err, &strange) && strange.Conn != nil && startsRequest(strange.RecordHeader[:]) {
		_, _ = io.WriteString(strange.Conn, plainOnTLS) // the connection is at its end in any case
	}
}

// startsRequest reports whether bytes begin like those of an HTTP/1 request: with the capitals of a method.
func startsRequest(p []byte) bool {
	for _, b := range p[:3] {
		if b < 'A' || b > 'Z' {
			return false
		}
	}
	return true
}

// What an offending line is replaced by: no request line, no header, no trailer and no chunk may hold a NUL. It is as long as HTTP/2's
// preface (RFC 9113 §3.4), for which net/http may be waiting.
var poison = strings.Repeat("\x00", len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) + "\r\n\r\n"

// mostIgnored is how much a client may send after an offending line before the connection ends for it.
const mostIgnored = 64 << 10

// Read implements net.Conn.
func (c *guarded) Read(p []byte) (int, error) {
	if c.refused {
		return c.readPoison(p)
	}
	n, err := c.Conn.Read(p)
	if n == 0 || c.scan.at == passive {
		return n, err
	}
	if c.switched.Load() {
		c.scan.at = passive
		return n, err
	}
	good, bad := c.scan.scan(p[:n])
	if bad != nil {
		c.refused, c.poison = true, poison
		if c.guard.Refused != nil {
			c.guard.Refused(c.RemoteAddr(), bad)
		}
		m, err := c.readPoison(p[good:n])
		return good + m, err
	}
	if c.scan.headed {
		c.scan.headed = false
		c.waits.Store(uint32(c.scan.method))
	}
	return n, err
}

// readPoison reads the poison. After an offending body that is the end, since its reader may take the poison for a part of it. After an
// offending head follows what the client goes on sending, for nobody: net/http reads on while it answers requests that came before, and
// takes an end for their client's leaving.
func (c *guarded) readPoison(p []byte) (int, error) {
	if n := copy(p, c.poison); n > 0 {
		c.poison = c.poison[n:]
		return n, nil
	}
	for c.scan.inHead() && c.ignored < mostIgnored {
		n, err := c.Conn.Read(p)
		c.ignored += n
		if err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// Write implements net.Conn. It looks for the head of a response that ends HTTP on the connection. A client that sends further
// requests before an earlier response has ended could have that response's content taken for such a head; it would rid itself of its
// own protection only.
func (c *guarded) Write(p []byte) (int, error) {
	if c.waits.Load() != uint32(staysHTTP) {
		c.look(p)
	}
	return c.Conn.Write(p)
}

func (c *guarded) look(p []byte) {
	if len(p) < len("HTTP/1.1 101") || string(p[:7]) != "HTTP/1." {
		return
	}
	waits := switching(c.waits.Load())
	switch status := string(p[9:12]); {
	case status == "101" && waits == wantsUpgrade, status[0] == '2' && waits == wantsTunnel:
		c.switched.Store(true)
	case status[0] == '1':
		return // the final response is still to come
	}
	c.waits.Store(uint32(staysHTTP))
}

// ReadFrom implements io.ReaderFrom, so that the kernel can move a response's body where the connection lets it.
func (c *guarded) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(c.Conn, r)
}

// CloseWrite ends the sending side, where the connection can do that.
func (c *guarded) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// Bare returns the connection beneath once it is no HTTP/1 any more, for whoever has taken it over; nil before.
func (c *guarded) Bare() net.Conn {
	if c.switched.Load() {
		return c.Conn
	}
	return nil
}
