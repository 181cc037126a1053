package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/caddyserver/caddy/v2"
)

// open holds the process's shared sockets. They belong to the process and not to a configuration, as the kernel's do.
var open = struct {
	sync.Mutex
	sockets map[string]*socket // by network and address
}{sockets: map[string]*socket{}}

// socket is one open socket and the generations that use it.
type socket struct {
	key   string
	use   use
	fd    int   // its own descriptor, which nobody reads or accepts from, and which no poller watches
	users int   // guarded by open
	queue queue // of its listeners, if it is a TCP socket
}

// use is the protocol that is spoken on a socket.
type use string

const (
	forHTTP use = "HTTP"
	forDNS  use = "DNS"
	forDoor use = "an agent's door"
)

// acquire returns the socket of an address, opened at first use, for one more user, who pays back with release. An address has
// one use only: two kinds of servers on one socket would take each other's clients.
func acquire(ctx context.Context, use use, address caddy.NetworkAddress, config net.ListenConfig) (*socket, error) {
	key := address.Network + "/" + address.JoinHostPort(0)
	open.Lock()
	defer open.Unlock()
	s := open.sockets[key]
	if s == nil {
		fd, err := bind(ctx, address, config)
		if err != nil {
			return nil, err
		}
		s = &socket{key: key, use: use, fd: fd}
		open.sockets[key] = s
	}
	if s.use != use {
		return nil, fmt.Errorf("%s is in use for %s already", address.JoinHostPort(0), s.use)
	}
	s.users++
	return s, nil
}

func (s *socket) release() {
	open.Lock()
	defer open.Unlock()
	s.users--
	if s.users == 0 {
		delete(open.sockets, s.key)
		syscall.Close(s.fd)
	}
}

// bind opens a socket as Caddy does, with SO_REUSEPORT and the right to low ports, and returns a descriptor of it. That option is
// still wanted: an address may move between this package and one of Caddy's own listeners in one change of the configuration.
func bind(ctx context.Context, address caddy.NetworkAddress, config net.ListenConfig) (fd int, err error) {
	var raw syscall.RawConn
	config.Control = func(_, _ string, c syscall.RawConn) error {
		raw = c
		return nil
	}
	config.SetMultipathTCP(false) // it would cost every request, and clients do not speak it
	opened, err := address.Listen(ctx, 0, config)
	if err != nil {
		return 0, err
	}
	defer opened.(io.Closer).Close()
	if failed := raw.Control(func(original uintptr) { fd, err = duplicate(int(original)) }); failed != nil {
		return 0, failed
	}
	return fd, err
}

// twin returns another descriptor of the socket, for the caller to close.
func (s *socket) twin() (*os.File, error) {
	fd, err := s.lend()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), s.key), nil
}

// lend returns one that Go's poller does not watch, as it does an os.File's.
func (s *socket) lend() (fd int, err error) { return duplicate(s.fd) }

// listener returns a listener with a descriptor of its own.
func (s *socket) listener() (*net.TCPListener, error) {
	file, err := s.twin()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	twin, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return twin.(*net.TCPListener), nil
}

func duplicate(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	twin, err := syscall.Dup(fd)
	if err != nil {
		return 0, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(twin)
	return twin, nil
}

// users returns how many have acquired an address.
func users(address caddy.NetworkAddress) int {
	open.Lock()
	defer open.Unlock()
	if s := open.sockets[address.Network+"/"+address.JoinHostPort(0)]; s != nil {
		return s.users
	}
	return 0
}
