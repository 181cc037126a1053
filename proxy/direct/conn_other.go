//go:build !(linux && (amd64 || arm64)) || race

package direct

import (
	"io"
	"net"
)

// New returns a way to read from and write to c as c does itself. The race detector sees what is read and written only by c's own.
func New(c *net.TCPConn) io.ReadWriter { return c }
