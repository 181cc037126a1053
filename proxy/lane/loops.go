package lane

import (
	"context"
	"net"
)

// Loops serve connections by epoll, a loop per processor, each with its own connections to members. There is one for the process; it is
// made by NewLoops and serves while Run runs. Where the machine has no epoll, NewLoops fails.
type Loops struct{ loops []*loop }

// Listen makes the loops accept the connections of a listening socket for l, until stop is called. fd stays the caller's, must be
// open until stop has returned, and becomes nonblocking. The socket's own options are the connections'.
func (ls *Loops) Listen(fd int, l *Listener) (stop func(), err error) { return ls.listen(fd, l) }

// Adopt serves a connection that was accepted elsewhere: TCP in clear, or TLS over a Cable, after its handshake. False says that it is none of
// these, and still the caller's.
func (ls *Loops) Adopt(c net.Conn, l *Listener) bool { return ls.adopt(c, l) }

// Run serves until ctx ends, and closes all connections then. It returns ctx's error.
func (ls *Loops) Run(ctx context.Context) error { return ls.run(ctx) }
