package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// datagrams is one reader's end of a UDP socket.
type datagrams interface {
	// receive reads one packet and remembers its sender for reply.
	receive(packet []byte) (n int, from netip.Addr, err error)
	reply(packet []byte) error
}

// serveUDP reads conn with several goroutines, each of which answers what it has read before it reads on.
func (s *Server) serveUDP(ctx context.Context, conn net.PacketConn) error {
	open := opener(conn)
	var readers errgroup.Group
	for range s.options.Readers {
		readers.Go(func() error { return s.read(ctx, open()) })
	}
	done := make(chan error, 1)
	go func() { done <- readers.Wait() }()
	err := s.interrupt(ctx, conn, done)
	conn.Close()
	// A shared socket lives on, and its other readers must not find our deadline.
	_ = unwrap(conn).SetReadDeadline(time.Time{})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("serving DNS on udp %s: %w", conn.LocalAddr(), err)
}

// interrupt waits for conn's readers and, once ctx has ended, wakes them. It does so again and again, as somebody who shares
// the socket may take the deadline back.
func (s *Server) interrupt(ctx context.Context, conn net.PacketConn, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	for {
		_ = unwrap(conn).SetReadDeadline(time.Now())
		select {
		case err := <-done:
			return err
		case <-time.After(s.options.Retry):
		}
	}
}

// read answers packets until ctx ends or the socket is closed.
func (s *Server) read(ctx context.Context, socket datagrams) error {
	packet, buf := make([]byte, maxQuery), make([]byte, maxQuery)
	for ctx.Err() == nil {
		n, from, err := socket.receive(packet)
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // a deadline, ours or another's on the same socket, or a passing fault of the network
			select {
			case <-ctx.Done():
			case <-time.After(s.options.Retry):
			}
			continue
		}
		reply := s.zone.respond(s.table.Load(), packet[:n], from, false, buf)
		if reply == nil {
			continue
		}
		if err := socket.reply(reply); err != nil {
			s.options.Logger.Debug("sending a DNS answer", "client", from, "error", err)
		}
	}
	return ctx.Err()
}

// opener returns what makes a reader's end of conn: the fast one for a real UDP socket, even where it is wrapped.
func opener(conn net.PacketConn) func() datagrams {
	if udp, ok := unwrap(conn).(*net.UDPConn); ok {
		pinned := pinSource(udp)
		return func() datagrams { return &udpSocket{conn: udp, pinned: pinned} }
	}
	return func() datagrams { return &packetSocket{conn: conn} }
}

// unwrap returns the innermost socket.
func unwrap(conn net.PacketConn) net.PacketConn {
	for {
		wrapped, ok := conn.(interface{ Unwrap() net.PacketConn })
		if !ok {
			return conn
		}
		conn = wrapped.Unwrap()
	}
}

// udpSocket reads without allocating, and answers from the address that was asked.
type udpSocket struct {
	conn   *net.UDPConn
	pinned bool
	from   netip.AddrPort
	oob    [64]byte
	oobLen int
}

var _ datagrams = (*udpSocket)(nil)

func (u *udpSocket) receive(packet []byte) (n int, from netip.Addr, err error) {
	if u.pinned {
		n, u.oobLen, _, u.from, err = u.conn.ReadMsgUDPAddrPort(packet, u.oob[:])
	} else {
		n, u.from, err = u.conn.ReadFromUDPAddrPort(packet)
	}
	return n, u.from.Addr(), err
}

func (u *udpSocket) reply(packet []byte) (err error) {
	if source := replySource(u.oob[:u.oobLen]); source != nil {
		_, _, err = u.conn.WriteMsgUDPAddrPort(packet, source, u.from)
	} else {
		_, err = u.conn.WriteToUDPAddrPort(packet, u.from)
	}
	return err
}

// packetSocket works on any net.PacketConn.
type packetSocket struct {
	conn net.PacketConn
	from net.Addr
}

var _ datagrams = (*packetSocket)(nil)

func (p *packetSocket) receive(packet []byte) (n int, from netip.Addr, err error) {
	n, p.from, err = p.conn.ReadFrom(packet)
	if udp, ok := p.from.(*net.UDPAddr); ok {
		from = udp.AddrPort().Addr()
	}
	return n, from, err
}

func (p *packetSocket) reply(packet []byte) error {
	_, err := p.conn.WriteTo(packet, p.from)
	return err
}
