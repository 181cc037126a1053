package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxQuery is the largest query we read. A question with an OPT and a TSIG record stays far below it.
const maxQuery = 4096

// serveTCP accepts connections until ctx ends, and returns once all of them are closed.
func (s *Server) serveTCP(ctx context.Context, listener net.Listener) error {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	var conns errgroup.Group
	defer conns.Wait() // their errors are logged where they happen
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return context.Cause(ctx)
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("serving DNS on tcp %s: %w", listener.Addr(), err)
		case err != nil: // no file descriptor left, or a connection that was gone before it was taken
			select {
			case <-ctx.Done():
			case <-time.After(s.options.Retry):
			}
			continue
		}
		s.admit(ctx, &conns, conn)
	}
}

// admit serves a connection unless there are too many.
func (s *Server) admit(ctx context.Context, conns *errgroup.Group, conn net.Conn) {
	select {
	case s.conns <- struct{}{}:
	default:
		s.options.Logger.Warn("too many DNS connections: closing a new one", "client", conn.RemoteAddr(), "max_conns", s.options.MaxConns)
		conn.Close()
		return
	}
	conns.Go(func() error {
		defer func() { <-s.conns }()
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		if err := s.converse(conn); err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
			s.options.Logger.Debug("serving a DNS connection", "client", conn.RemoteAddr(), "error", err)
		}
		return nil
	})
}

// converse answers the questions of one connection in their order (RFC 7766 §6.2.1.1), until the client closes it, falls
// silent, or sends what deserves no answer.
func (s *Server) converse(conn net.Conn) error {
	var client netip.Addr
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		client = tcp.AddrPort().Addr()
	}
	packet, buf := make([]byte, maxQuery), make([]byte, maxQuery)
	for {
		if err := conn.SetDeadline(time.Now().Add(s.options.Timeout)); err != nil {
			return err
		}
		n, err := readMessage(conn, packet)
		if err != nil {
			return err
		}
		reply := s.zone.respond(s.table.Load(), packet[:n], client, true, buf)
		if reply == nil {
			return errors.New("the client sent no query")
		}
		if err := writeMessage(conn, reply); err != nil {
			return err
		}
	}
}

// readMessage reads one message behind its length (RFC 1035 §4.2.2).
func readMessage(r io.Reader, packet []byte) (int, error) {
	if _, err := io.ReadFull(r, packet[:2]); err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(packet))
	if n > len(packet) {
		return 0, fmt.Errorf("a query of %d bytes", n)
	}
	return io.ReadFull(r, packet[:n])
}

// writeMessage writes one message and its length in one piece, as clients expect (RFC 7766 §8).
func writeMessage(w io.Writer, reply []byte) error {
	pieces := net.Buffers{binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply}
	_, err := pieces.WriteTo(w)
	return err
}
