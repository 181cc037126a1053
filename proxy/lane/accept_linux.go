//go:build linux && (amd64 || arm64)

package lane

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// accepting is a listening socket in one loop.
type accepting struct {
	socket
	listener *Listener
}

// acceptShare is how many events of a turn there are to one connection that is accepted in it, beside the first: a turn that is short
// costs less than asking once more in vain, and one that is long must not let newcomers wait.
const acceptShare = 4

// breath is how long a loop accepts nothing after it could not.
const breath = 100 * time.Millisecond

// slack is by how many connections a loop may be ahead of another before it gives new ones to it, and slackShare by which part of what
// it has besides: giving one away costs more than accepting it, and connections that come and go are never even.
const (
	slack      = 4
	slackShare = 4
)

func (ls *Loops) listen(fd int, listener *Listener) (stop func(), err error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	var all []*accepting
	stop = func() {
		var gone sync.WaitGroup
		for _, a := range all {
			gone.Add(1)
			if !a.loop.post(func() { a.leave(); gone.Done() }) {
				gone.Done()
			}
		}
		gone.Wait()
	}
	listener.clients.hold(lastCall{ls, listener})
	for _, l := range ls.loops {
		a := &accepting{socket: socket{fd: fd}, listener: listener}
		a.accepts = a
		failed := make(chan error, 1)
		if !l.post(func() { failed <- a.list(l) }) {
			err = net.ErrClosed
		} else {
			err = <-failed
		}
		if err != nil {
			stop()
			return nil, err
		}
		all = append(all, a)
	}
	return stop, nil
}

// leave stops accepting, on the loop's goroutine.
func (a *accepting) leave() {
	a.unlist()
	a.loop.resting = slices.DeleteFunc(a.loop.resting, func(other *accepting) bool { return other == a })
}

func (a *accepting) unlist() {
	a.loop.forget(&a.socket)
	_ = unix.EpollCtl(a.loop.epoll, unix.EPOLL_CTL_DEL, a.fd, nil) // fails only if it is not in there
}

func (a *accepting) list(l *loop) error { return l.add(&a.socket, unix.EPOLLIN|unix.EPOLLEXCLUSIVE) }

// rest stops accepting for a breath: what cannot be accepted would be told of again and again.
func (a *accepting) rest() {
	l := a.loop
	a.unlist()
	l.resting = append(l.resting, a)
	l.wheel.set(&l.breath, l.clock, breath)
}

// rested accepts again.
func (l *loop) rested() {
	resting := l.resting
	l.resting = nil
	for _, a := range resting {
		if a.list(l) != nil {
			a.rest()
		}
	}
}

// accept takes connections that wait. Those it leaves are told of again.
func (a *accepting) accept(l *loop) {
	var from syscall.RawSockaddrAny
	for range 1 + l.events/acceptShare {
		fd, err := sysAccept(a.fd, &from)
		switch {
		case err == nil:
		case err == error(errAgain), errors.Is(err, syscall.ECONNABORTED):
			return
		case l.hosts.closeAll(): // there are no descriptors left, say, and kept connections can be had again
			continue
		default:
			a.rest()
			return
		}
		remote := fromSockaddr(&from)
		if to := l.lighter(); to != l {
			if to.post(func() { to.take(fd, remote, a.listener) }) {
				continue
			}
		}
		l.take(fd, remote, a.listener)
	}
}

// lighter returns the loop that new connections go to: this one, unless another has clearly fewer.
func (l *loop) lighter() *loop {
	own := l.number.Load()
	least, number := l, own-own/slackShare-slack
	for _, other := range l.all {
		if n := other.number.Load(); n < number {
			least, number = other, n
		}
	}
	return least
}

// take serves a connection that was just accepted.
func (l *loop) take(fd int, remote netip.AddrPort, listener *Listener) {
	site := listener.site.Load()
	counted, why := listener.clients.enter(&site.Limits, remote.Addr())
	if why != "" {
		if site.Turned != nil {
			site.Turned(remote, why)
		}
		sysClose(fd)
		return
	}
	g := l.spareGuest()
	*g = guest{counted: counted, socket: socket{fd: fd}}
	l.welcome(g, listener, remote)
}

// adopt serves a connection that was accepted elsewhere.
func (ls *Loops) adopt(c net.Conn, listener *Listener) bool {
	cable, secured := (*Cable)(nil), (*tls.Conn)(nil)
	switch conn := c.(type) {
	case *tls.Conn:
		below, ok := conn.NetConn().(*Cable)
		if !ok {
			return false
		}
		cable, secured = below, conn
	case *Cable:
		cable = conn
	case Holder, *net.TCPConn:
		cable = &Cable{Conn: c}
	default:
		return false
	}
	remote := addrPort(c.RemoteAddr())
	site := listener.site.Load()
	counted, why := listener.clients.enter(&site.Limits, remote.Addr())
	if why != "" {
		if site.Turned != nil {
			site.Turned(remote, why)
		}
		c.Close()
		return true
	}
	fd, err := cable.detach()
	if err != nil {
		listener.clients.leave(remote.Addr(), counted)
		return false
	}
	listener.clients.hold(lastCall{ls, listener})
	l := ls.loops[0].lighter()
	g := &guest{counted: counted, socket: socket{fd: fd}, cable: cable, tls: secured}
	if !l.post(func() {
		cable.loop = &g.socket
		l.welcome(g, listener, remote)
	}) {
		sysClose(fd)
		cable.ended()
		listener.clients.leave(remote.Addr(), counted)
	}
	return true
}

// lastCall ends the connections of a listener that have no request.
type lastCall struct {
	loops    *Loops
	listener *Listener
}

// endIdle implements waker.
func (c lastCall) endIdle() {
	for _, l := range c.loops.loops {
		l.post(func() {
			for g := range l.each {
				if g.machine.listener == c.listener && g.machine.state == atHead {
					g.run()
				}
			}
		})
	}
}

// fromSockaddr reads the address that accept4 has written.
func fromSockaddr(from *syscall.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case syscall.AF_INET:
		a := (*syscall.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), port(&a.Port))
	case syscall.AF_INET6:
		a := (*syscall.RawSockaddrInet6)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), port(&a.Port))
	}
	return netip.AddrPort{}
}

// port reads a port number, which is in the order of the network.
func port(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

func dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }
