package lane

import (
	"io"
	"net"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/http1"
)

// conn is a connection as the machine sees it, the client's or a member's.
//
// On an engine that blocks, Read and Send wait; on one that does not, Read fails with errAgain where it would have to, and the machine is
// run again once there is more. What exceeds a limit fails with an error whose Timeout is true.
type conn interface {
	io.Reader
	// Send sends all of p. What cannot leave now is kept, and sent when it can; Pending is true until then.
	Send(p []byte) error
	Pending() bool
	// ExtendRead and ExtendWrite limit what is waited for next, as loosely as those of egress.Conn.
	ExtendRead(now time.Time, d time.Duration)
	ExtendWrite(now time.Time, d time.Duration)
	Close() error
}

// client is a conn whose other end is a client.
type client interface {
	conn
	// Abort closes the connection so that its other end cannot take it for a proper end.
	Abort()
	// CloseWrite ends our side of the connection.
	CloseWrite() error
}

// member is a connection to a member and what was read from it.
type member struct {
	conn
	in     *http1.Reader
	reused bool
}

// errAgain says that a read would have to wait. It is a temporary error, which crypto/tls does not hold against a connection.
// It is a pointer so that comparing an error with it calls no function.
var errAgain = &again{}

type again struct{ _ byte }

func (*again) Error() string   { return "nothing to read yet" }
func (*again) Timeout() bool   { return false }
func (*again) Temporary() bool { return true }

// engine is what drives machines: it finds connections to members, and waits.
type engine interface {
	// idle returns a kept connection to a member, or one whose conn is nil. With sure it is known to be open at this moment.
	idle(t *turn, to *egress.Target, sure bool) member
	// dial opens a connection to a member and enter waits for a place. They report true if they have come to their end, and otherwise
	// that turn.dialled or turn.entered will be called when they do.
	dial(t *turn, to egress.Target) (m member, err error, done bool)
	enter(t *turn) (done bool)
	// keep takes a connection that may carry further exchanges for so long.
	keep(t *turn, m member, d time.Duration)
	// await limits the wait for an answer to d from now. Where a read has met its limit, stillWaits reports whether that was not this one: the
	// engine has looked at the client meanwhile, and turn.gone is set if that has left.
	await(t *turn, now time.Time, d time.Duration)
	stillWaits(t *turn) bool
	// join returns head and piece in a row, or nil if there is no room in front of piece. Both may be written over.
	join(head, piece []byte) []byte
	// scratch returns a buffer for reading from a member, intake one for reading a request, nil for one of the reader's own. They are
	// borrowed for as long as the machine runs.
	scratch() []byte
	intake() []byte
	// upload sends more of a streamed body, by exchange.pump, and tells how far it has come; endUpload ends it, so that nobody but the
	// machine touches the exchange any more.
	upload(t *turn) (uploaded, *dispatch.Refusal)
	endUpload(t *turn)
	// leave ends the machine's use of the client's connection: it is closed, or what owns it now.
	leave(t *turn)
	// release returns the client's connection as the engine got it, for somebody else to use.
	release(t *turn) net.Conn
	// yield lets others have their turn and runs the machine again.
	yield(t *turn)
	now() time.Time
}
