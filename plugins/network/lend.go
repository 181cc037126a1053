package network

import (
	"net"
	"os"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/proxy/direct"
)

// Socket is a listener of this package, which can do without accepting itself.
type Socket interface {
	net.Listener
	// Lend returns another descriptor of the socket, for somebody who accepts in the listener's place as long as it is the newest, and who
	// closes it. From then on Accept returns only connections that older listeners have given back, until Reclaim. Meanwhile Go's poller
	// does not watch the socket: it would be woken for every connection.
	Lend() (fd int, err error)
	Reclaim()
	// Own makes a connection that was accepted by that descriptor one of the listener's, so that a stopping process waits for it.
	Own(c *net.TCPConn) net.Conn
}

// Lend implements Socket.
func (l *listener) Lend() (fd int, err error) {
	if err := l.tune(l.socket.fd); err != nil {
		return 0, err
	}
	if fd, err = l.socket.lend(); err != nil {
		return 0, err
	}
	l.setLent(true)
	return fd, nil
}

// Reclaim implements Socket.
func (l *listener) Reclaim() { l.setLent(false) }

func (l *listener) setLent(lent bool) {
	q := &l.socket.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	l.lent = lent
	if lent && !l.shut {
		l.shut = true
		l.tcp.Close()
	}
	l.lookAgain()
}

// Own implements Socket.
func (l *listener) Own(c *net.TCPConn) net.Conn {
	owned := l.prepare(c)
	owned.Settle()
	return owned
}

// Detach returns another descriptor of the connection's socket and closes its own, for somebody who serves it by other means than Go's
// poller. It fails if something that an older generation has read is still to be read. Until Attach only Close may be called, which is
// still to be done at the connection's end.
func (c *conn) Detach() (fd int, err error) {
	if !c.recall.released() {
		return -1, syscall.EBUSY
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if failed := raw.Control(func(original uintptr) { fd, err = duplicate(int(original)) }); failed != nil {
		return -1, failed
	}
	if err == nil {
		c.TCPConn.Close()
	}
	return fd, err
}

// Attach gives the connection a socket again.
func (c *conn) Attach(tcp *net.TCPConn) {
	c.TCPConn, c.direct = tcp, direct.New(tcp)
	c.listener.probe(tcp)
}

// tune sets what connections inherit from a listening socket that they are accepted from by system calls of one's own: Go sets it for each
// that it accepts.
func (l *listener) tune(fd int) error {
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	ka := l.keepAlive
	if !ka.Enable {
		return nil
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return tuneProbes(fd, seconds(ka.Idle, defaultProbe), seconds(ka.Interval, defaultProbe), ka.Count)
}

// defaultProbe is what Go takes for the times of keep-alive probes that are not given.
const defaultProbe = 15 * time.Second

// seconds rounds a time up to whole seconds; those below zero leave the system's own.
func seconds(d, otherwise time.Duration) int {
	if d == 0 {
		d = otherwise
	}
	return int((d + time.Second - 1) / time.Second)
}

var _ Socket = (*listener)(nil)
