//go:build linux && (amd64 || arm64)

package lane

import (
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a descriptor in a loop.
type socket struct {
	fd   int
	turn uint32 // tells it from others that had the number before
	loop *loop
	// guest is whose machine reads and writes it; nil for a kept connection to a member, which kept is then.
	guest *guest
	kept  *host
	// accepts is what accepts on it, if it is a listening one.
	accepts *accepting
	// readable tells that there may be something to read, its end included; ended that the other end has sent its end.
	readable, ended bool
	late            bool  // what was waited for did not come in time
	due             int64 // when that is so, by the loop's wheel
	pending         []byte
	pipe            *pipe // what was spliced and could not leave
}

// Read implements conn.
func (s *socket) Read(p []byte) (int, error) {
	switch {
	case s.late:
		return 0, os.ErrDeadlineExceeded
	case !s.readable:
		return 0, errAgain
	}
	n, err := recv(s.fd, p)
	switch {
	case err == error(errAgain):
		s.readable = false
		return 0, errAgain
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	if n < len(p) && !s.ended {
		s.readable = false // the kernel tells when there is more
	}
	return n, nil
}

// Send implements conn.
func (s *socket) Send(p []byte) error {
	if s.Pending() {
		s.keep(p)
		return nil
	}
	n, err := send(s.fd, p)
	if err != nil && err != error(errAgain) {
		return err
	}
	if err != nil {
		n = 0
	}
	if n < len(p) {
		s.keep(p[n:])
	}
	return nil
}

func (s *socket) keep(p []byte) {
	if s.pending == nil {
		s.pending = (*frames.Get().(*[]byte))[:0]
	}
	s.pending = append(s.pending, p...)
}

// Pending implements conn.
func (s *socket) Pending() bool { return len(s.pending) > 0 || s.pipe != nil }

// flush sends what is pending as far as possible.
func (s *socket) flush() error {
	if s.pipe != nil {
		if err := s.drainPipe(); err != nil || s.pipe != nil {
			return err
		}
	}
	if len(s.pending) == 0 {
		return nil
	}
	n, err := send(s.fd, s.pending)
	switch {
	case err == error(errAgain):
		return nil
	case err != nil:
		return err
	case n < len(s.pending):
		s.pending = s.pending[:copy(s.pending, s.pending[n:])]
		return nil
	}
	s.forget()
	return nil
}

// forget gives the pending bytes up.
func (s *socket) forget() {
	if cap(s.pending) > 0 && cap(s.pending) <= 128<<10 {
		buf := s.pending[:0]
		frames.Put(&buf)
	}
	s.pending = nil
}

// ExtendRead implements conn. The loop's clock is the machine's.
func (s *socket) ExtendRead(now time.Time, d time.Duration) { s.limit(now, d) }

// ExtendWrite implements conn.
func (s *socket) ExtendWrite(now time.Time, d time.Duration) { s.limit(now, d) }

// limit sets the socket's own limit. The guest's one timer stays at the earliest of its sockets'; when that comes, guest.expired looks
// which of them are waited for.
func (s *socket) limit(now time.Time, d time.Duration) {
	g := s.guest
	if g == nil {
		return
	}
	wheel := &s.loop.wheel
	s.due = int64(now.Sub(wheel.start) + d)
	if g.timer.due == 0 || s.due < g.timer.due {
		wheel.set(&g.timer, now, d)
	}
}

// Close implements conn.
func (s *socket) Close() error {
	if s.fd < 0 {
		return nil
	}
	s.loop.forget(s)
	sysClose(s.fd)
	s.fd = -1
	s.forget()
	s.dropPipe()
	return nil
}

// Abort implements client.
func (s *socket) Abort() {
	if s.fd >= 0 {
		_ = unix.SetsockoptLinger(s.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &unix.Linger{Onoff: 1}) // closed all the same if it fails
	}
	s.Close()
}

// CloseWrite implements client.
func (s *socket) CloseWrite() error { return syscall.Shutdown(s.fd, syscall.SHUT_WR) }
