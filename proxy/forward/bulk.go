package forward

import (
	"io"
	"time"

	"github.com/fairlead/fairlead/proxy/egress"
)

const (
	// bulk is how much of a body must be left for the kernel to be asked to move it.
	bulk = 256 << 10
	// stretch is how much it moves at a time. A client that takes longer than StallTimeout for one is taken to have stalled.
	stretch = 256 << 10
)

// socketToSocket reports whether the kernel may be able to move the body without our seeing it: in HTTP/1.1 in clear, where a body of
// known length is sent as it comes.
func (x *exchange) socketToSocket() bool {
	_, ok := x.w.(io.ReaderFrom)
	return ok && x.r.ProtoMajor == 1 && x.r.TLS == nil
}

// relayBulk copies the rest of a sized body: by splice(2) where net/http finds two bare sockets, with a buffer otherwise.
func (x *exchange) relayBulk(c *egress.Conn) (whole bool) {
	limits := clientOf(x.w, x.r)
	defer limits.writeUnbound()
	sink := x.w.(io.ReaderFrom)
	x.watch(c)
	for left := x.in.Left(); left > 0; left = x.in.Left() {
		limits.writeWithin(x.Pool.Spec.StallTimeout)
		c.ExtendRead(time.Now(), x.Pool.Spec.StallTimeout)
		source := io.LimitedReader{R: c.TCPConn, N: min(left, stretch)}
		want := source.N
		n, err := sink.ReadFrom(&source)
		x.in.Skip(n)
		if x.out != nil {
			x.out.Received += n
		}
		switch {
		case err != nil:
			// Either side may be to blame, which the error does not tell; so nobody is.
			x.problem("moving the body: " + err.Error())
			return false
		case n < want:
			x.broken(io.ErrUnexpectedEOF)
			return false
		}
	}
	return true
}
