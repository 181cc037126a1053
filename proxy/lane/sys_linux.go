//go:build linux && (amd64 || arm64)

package lane

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/proxy/direct"
)

// The system calls of a loop beside those in proxy/direct, of which Go's scheduler is not told either. That of epoll may block for a few
// milliseconds, which is why the process has processors (GOMAXPROCS) to spare for others.

// errno is the error of a system call.
func errno(e syscall.Errno) error {
	switch e {
	case 0:
		return nil
	case syscall.EAGAIN:
		return errAgain
	}
	return e
}

func recv(fd int, p []byte) (int, error) {
	n, e := direct.Recv(uintptr(fd), p)
	return n, errno(e)
}

func send(fd int, p []byte) (int, error) {
	n, e := direct.Send(uintptr(fd), p)
	return n, errno(e)
}

// sysSplice moves bytes between a pipe and a socket.
func sysSplice(from, to, n int) (int, error) {
	const flags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
	for {
		moved, _, e := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
		if e != syscall.EINTR {
			return int(moved), errno(e)
		}
	}
}

// sysAccept accepts a connection, nonblocking.
func sysAccept(fd int, from *syscall.RawSockaddrAny) (int, error) {
	size := uint32(unsafe.Sizeof(*from))
	for {
		c, _, e := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
		if e != syscall.EINTR {
			return int(c), errno(e)
		}
	}
}

func sysClose(fd int) { syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) }

// sysPoll waits for events without telling the scheduler, and returns -1 where a signal has ended the wait. Go sends one when it wants the
// thread, which it gets by the next call of a function.
func sysPoll(epoll int, events []unix.EpollEvent, wait time.Duration) int {
	n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(wait.Milliseconds()), 0, 0)
	if e != 0 {
		return -1
	}
	return int(n)
}
