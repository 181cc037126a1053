//go:build linux && (amd64 || arm64) && !race

package direct

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// New returns a way to read from and write to c as c does itself, with its deadlines and its errors. It holds nothing that must be freed,
// and may be used by several goroutines, also beside c's own Read and Write.
func New(c *net.TCPConn) io.ReadWriter {
	raw, err := c.SyscallConn()
	if err != nil {
		return c
	}
	d := &conn{c: c, raw: raw}
	d.reading.step, d.writing.step = d.reading.recv, d.writing.send
	return d
}

type conn struct {
	c                *net.TCPConn
	raw              syscall.RawConn
	reading, writing half
}

// half is what one direction is about.
type half struct {
	mu   sync.Mutex
	p    []byte
	n    int
	err  syscall.Errno
	step func(fd uintptr) bool // made once; reports false where the socket has to be waited for
}

func (h *half) recv(fd uintptr) bool {
	h.n, h.err = Recv(fd, h.p)
	return h.err != syscall.EAGAIN
}

func (h *half) send(fd uintptr) bool {
	for h.n < len(h.p) {
		n, err := Send(fd, h.p[h.n:])
		if err != 0 {
			h.err = err
			return err != syscall.EAGAIN
		}
		h.n += n
	}
	h.err = 0
	return true
}

// run does a step by wait until it is done, and returns how many bytes were moved and why it ended.
func (h *half) run(p []byte, wait func(func(fd uintptr) bool) error) (int, syscall.Errno, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.p, h.n, h.err = p, 0, 0
	err := wait(h.step)
	h.p = nil
	return max(h.n, 0), h.err, err
}

// Read implements io.Reader.
func (d *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, errno, err := d.reading.run(p, d.raw.Read)
	switch {
	case err != nil:
		return 0, named(err, "read")
	case errno != 0:
		return 0, d.failed("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements io.Writer.
func (d *conn) Write(p []byte) (int, error) {
	n, errno, err := d.writing.run(p, d.raw.Write)
	switch {
	case err != nil:
		return n, named(err, "write")
	case errno != 0:
		return n, d.failed("write", errno)
	}
	return n, nil
}

// named gives an error of waiting the name of the operation that waited.
func named(err error, op string) error {
	if e, ok := err.(*net.OpError); ok {
		e.Op = op
	}
	return err
}

func (d *conn) failed(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: d.c.LocalAddr(), Addr: d.c.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}
