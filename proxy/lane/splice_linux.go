//go:build linux && (amd64 || arm64)

package lane

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pipe is a pipe by which the kernel moves bytes from one socket to another. It belongs to a socket while bytes are in it.
type pipe struct {
	r, w int
	held int
}

// pipeSize is what a pipe is asked to hold; the kernel may grant less.
const pipeSize = 256 << 10

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize) // smaller works as well
	return &pipe{r: fds[0], w: fds[1]}, nil
}

func (p *pipe) close() {
	sysClose(p.r)
	sysClose(p.w)
}

// splice implements splicer.
func (s *socket) splice(from conn, n int64) (moved int64, err error, ok bool) {
	source, isHost := from.(*host)
	if !isHost {
		return 0, nil, false
	}
	if source.late {
		return 0, os.ErrDeadlineExceeded, true
	}
	if !source.readable {
		return 0, errAgain, true
	}
	p := s.loop.pipe()
	if p == nil {
		return 0, nil, false
	}
	got, err := sysSplice(source.fd, p.w, int(min(n, pipeSize)))
	switch {
	case err == error(errAgain):
		source.readable = false
		s.loop.pipes = append(s.loop.pipes, p)
		return 0, errAgain, true
	case err != nil:
		p.close()
		return 0, err, true
	case got == 0:
		s.loop.pipes = append(s.loop.pipes, p)
		return 0, io.ErrUnexpectedEOF, true
	}
	p.held = got
	s.pipe = p
	if err := s.drainPipe(); err != nil {
		s.guest.machine.gone = true
	}
	return int64(got), nil, true
}

// drainPipe sends what is in the pipe as far as possible, and gives the pipe back when it is empty.
func (s *socket) drainPipe() error {
	p := s.pipe
	for p.held > 0 {
		n, err := sysSplice(p.r, s.fd, p.held)
		if err == error(errAgain) {
			return nil
		}
		if err != nil {
			return err
		}
		p.held -= n
	}
	s.pipe = nil
	s.loop.pipes = append(s.loop.pipes, p)
	return nil
}

// dropPipe closes a pipe that still holds something.
func (s *socket) dropPipe() {
	if s.pipe != nil {
		s.pipe.close()
		s.pipe = nil
	}
}

// pipe returns an empty pipe, nil if there are no descriptors for one.
func (l *loop) pipe() *pipe {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		return p
	}
	p, err := newPipe()
	if err != nil {
		return nil
	}
	return p
}
