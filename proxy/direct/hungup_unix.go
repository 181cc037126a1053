//go:build unix

package direct

import "golang.org/x/sys/unix"

// HungUp reports whether a socket's connection is broken in both directions.
func HungUp(fd uintptr) bool { return poll(fd, 0)&(unix.POLLHUP|unix.POLLERR) != 0 }

// poll returns which events a socket has at this moment, and none if it cannot be asked.
func poll(fd uintptr, events int16) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		if _, err := unix.Poll(fds, 0); err != unix.EINTR {
			return fds[0].Revents
		}
	}
}
