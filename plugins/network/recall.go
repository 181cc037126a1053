package network

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// mostKept is how much of a request is remembered; a connection that sent more before it was answered stays where it is.
const mostKept = 32 << 10

// Recall is what a connection remembers of a server's reading, so that another server can begin again with it as long as nothing was
// written to it: a server that shuts down drops connections whose request it has not begun to serve. The zero value is ready.
type Recall struct {
	// settled is set once there is nothing to remember and nothing left to repeat: reads go straight to the connection.
	settled atomic.Bool
	bound   atomic.Bool // something was written, or too much read: the connection belongs to its server for good
	gone    atomic.Bool // given back: the server that had it must not touch it any more

	mu     sync.Mutex // guards the rest; held while reading
	seen   []byte     // everything read since the server has it
	unread []byte     // what was read before and this server has yet to read
	safe   bool       // whatever is asked may be asked twice
	late   bool       // the first byte was read after the server's end: no handler can have seen it
	broken bool       // the client has closed it
}

// Server is who reads from a connection.
type Server interface {
	// Over reports whether it has been told to close, and Succeeded whether another one accepts in its place.
	Over() bool
	Succeeded() bool
}

// Repeat lets the server read what was read before it. It is called before the first Read.
func (r *Recall) Repeat(read []byte) { r.unread = read }

// Read reads what is to be repeated, and then from the connection.
func (r *Recall) Read(p []byte, from io.Reader, by Server) (int, error) {
	if r.settled.Load() {
		return from.Read(p)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone.Load() {
		return 0, net.ErrClosed
	}
	if len(r.unread) > 0 {
		n := copy(p, r.unread)
		r.unread = r.unread[n:]
		r.remember(p[:n], by)
		return n, nil
	}
	n, err := from.Read(p)
	r.remember(p[:n], by)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		r.broken = true
	}
	return n, err
}

// remember notes what was read, unless the connection cannot be given back any more.
func (r *Recall) remember(read []byte, by Server) {
	if len(r.seen) == 0 && len(read) > 0 && !r.late {
		r.late = by.Over()
	}
	if r.bound.Load() || len(r.seen)+len(read) > mostKept {
		r.settle()
		return
	}
	r.seen = append(r.seen, read...)
}

// settle forgets what was read. The caller holds mu.
func (r *Recall) settle() {
	r.bound.Store(true)
	r.seen = nil
	r.settled.Store(len(r.unread) == 0)
}

// Settle binds the connection to whoever has it, who gives it back by other means; nothing is remembered any more.
func (r *Recall) Settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
}

// rest settles, and returns what is left to repeat, for whoever goes on without this.
func (r *Recall) rest() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.unread
	r.unread = nil
	r.settle()
	return left
}

// Bind is called before something is written, which binds the connection to its server. It fails if the connection was given back.
func (r *Recall) Bind() error {
	if r.gone.Load() {
		return net.ErrClosed
	}
	r.bound.Store(true)
	return nil
}

// released reports whether all that was read before is repeated, and the connection not given back.
func (r *Recall) released() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.unread) == 0 && !r.gone.Load()
}

// Limit sets a limit of time, unless the connection was given back.
func (r *Recall) Limit(set func(time.Time) error, t time.Time) error {
	if r.gone.Load() {
		return net.ErrClosed
	}
	return set(t)
}

// Bare reports whether an answer was written and nothing is left to repeat, so that whoever has taken the connection over may use it
// without this.
func (r *Recall) Bare() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.bound.Load() || r.gone.Load() || len(r.unread) > 0 {
		return false
	}
	r.settle()
	return true
}

// Closed is what a server's closing of c means. It reports true if c must not be closed: another server has succeeded this one, nothing was
// answered, and again has taken c with all that was read from it; or that was so before.
func (r *Recall) Closed(c net.Conn, by Server, again func(read []byte) bool) bool {
	if r.gone.Load() {
		return true
	}
	if r.bound.Load() || !by.Succeeded() {
		return false
	}
	if !r.gone.CompareAndSwap(false, true) {
		return true
	}
	c.SetReadDeadline(past) // a reader of the old server lets go
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bound.Load() || r.broken || !r.repeatable() || c.SetDeadline(time.Time{}) != nil {
		return false
	}
	return again(append(r.seen, r.unread...))
}

// repeatable reports whether serving what was read again cannot do anything twice: no handler can have seen it, or its method is safe
// (RFC 9110 §9.2.1).
func (r *Recall) repeatable() bool {
	if r.late || r.safe || !bytes.Contains(r.seen, []byte("\n\r\n")) && !bytes.Contains(r.seen, []byte("\n\n")) {
		return true
	}
	for _, method := range []string{"GET ", "HEAD ", "OPTIONS "} {
		if bytes.HasPrefix(r.seen, []byte(method)) {
			return true
		}
	}
	return false
}
