//go:build unix

package egress

import (
	"net"

	"github.com/fairlead/fairlead/proxy/direct"
)

// Alive reports whether an idle connection is still open and silent, by looking at the socket without waiting. Bytes that arrive
// unasked make a connection useless just as its end does.
func (c *Conn) Alive() bool {
	err := c.raw.Control(c.look)
	return err == nil && c.silent
}

// AwaitBytes waits until c has something to read, its end included, without holding a buffer meanwhile.
func AwaitBytes(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool { return !direct.Silent(fd) })
}
