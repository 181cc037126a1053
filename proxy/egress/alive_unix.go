//go:build unix

package egress

import (
	"net"

	"golang.org/x/sys/unix"
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
	return raw.Read(func(fd uintptr) bool { return !silent(fd) })
}

// silent reports whether a socket is open and has nothing to read.
func silent(fd uintptr) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) // its end counts as something to read
		if err != unix.EINTR {
			return err == nil && n == 0
		}
	}
}
