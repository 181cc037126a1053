//go:build unix && !(linux && (amd64 || arm64))

package direct

import "golang.org/x/sys/unix"

// Silent reports whether a socket is open and has nothing to read.
func Silent(fd uintptr) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) // its end counts as something to read
		if err != unix.EINTR {
			return err == nil && n == 0
		}
	}
}
