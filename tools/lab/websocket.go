package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Echo is the handler of a backend that upgrades every request to WebSocket's protocol and sends back what it gets, byte for
// byte: the frames themselves mean nothing to a proxy.
func Echo(w http.ResponseWriter, r *http.Request) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	if err != nil {
		return
	}
	_, _ = io.Copy(conn, buf) // ends when either side does
}

// WebSocket is an upgraded connection to a backend with the handler Echo.
type WebSocket struct {
	conn net.Conn
	in   *bufio.Reader
}

// DialWebSocket upgrades a connection to addr for host.
func DialWebSocket(addr, host string) (*WebSocket, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	s := &WebSocket{conn: conn, in: bufio.NewReader(conn)}
	if err := s.upgrade(host); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *WebSocket) upgrade(host string) error {
	if err := s.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", host)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(resp.Status)
	}
	return nil
}

// Echo sends text and waits for it to come back.
func (s *WebSocket) Echo(text string) error {
	if err := s.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(s.conn, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(s.in, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("sent %q, got %q", text, got)
	}
	return nil
}

// Close closes the connection.
func (s *WebSocket) Close() error { return s.conn.Close() }
