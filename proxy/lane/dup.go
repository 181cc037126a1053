package lane

import "syscall"

// dupOf returns another descriptor of a connection, nonblocking as the first.
func dupOf(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if failed := raw.Control(func(original uintptr) { fd, err = dup(int(original)) }); failed != nil {
		return -1, failed
	}
	return fd, err
}
