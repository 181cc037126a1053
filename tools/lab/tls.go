package lab

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// TLSClient is a client's TLS connection that knows how it was ended.
type TLSClient struct {
	*tls.Conn
	below *tap
}

// tap notes what comes by a connection.
type tap struct {
	net.Conn
	seen []byte
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.seen = append(c.seen, p[:n]...)
	return n, err
}

// DialTLS connects and does the handshake. The connection is closed when the test ends, and lasts a minute at most.
func DialTLS(tb TB, addr string, config *tls.Config) *TLSClient {
	tb.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatalf("connecting: %v", err)
	}
	tb.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatalf("%v", err)
	}
	below := &tap{Conn: raw}
	c := &TLSClient{Conn: tls.Client(below, config), below: below}
	if err := c.Handshake(); err != nil {
		tb.Fatalf("the handshake with %s: %v", addr, err)
	}
	return c
}

// AwaitEnd waits for the connection's end. It is an error if anything else comes, or if the end was not said by close_notify, on which
// crypto/tls does not insist.
func (c *TLSClient) AwaitEnd() error {
	if n, err := c.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return fmt.Errorf("%d bytes came, %w", n, err)
	}
	kind, length := byte(0), 0
	for rest := c.below.seen; len(rest) >= 5; rest = rest[min(5+length, len(rest)):] {
		kind, length = rest[0], int(binary.BigEndian.Uint16(rest[3:]))
	}
	const alert, data, sealed = 21, 23, 2 + 1 + 16 // in TLS 1.3 an alert looks like data of an alert's length (RFC 8446 §5.2)
	if kind == alert || c.ConnectionState().Version == tls.VersionTLS13 && kind == data && length == sealed {
		return nil
	}
	return fmt.Errorf("nothing was said behind a record of type %d and %d bytes", kind, length)
}
