//go:build linux && (amd64 || arm64)

package lane

import "crypto/tls"

// shroud is a client's connection in a loop behind TLS. crypto/tls reads from the socket through a Cable, whose errAgain it passes on and
// holds against nothing, since it is a temporary error; that is so in this release of Go only because its code is so, and a test holds
// it to that.
type shroud struct {
	*socket
	tls *tls.Conn
}

// Read implements conn.
func (s *shroud) Read(p []byte) (int, error) { return s.tls.Read(p) }

// Send implements conn.
func (s *shroud) Send(p []byte) error {
	_, err := s.tls.Write(p)
	return err
}

// Close implements conn. It says goodbye as far as that can be said without waiting.
func (s *shroud) Close() error {
	_ = s.tls.CloseWrite() // the connection is closed in any case
	return s.socket.Close()
}

// CloseWrite implements client.
func (s *shroud) CloseWrite() error { return s.tls.CloseWrite() }

// splice hides the socket's: what goes by TLS the kernel cannot move.
func (s *shroud) splice(conn, int64) (int64, error, bool) { return 0, nil, false }

var _ client = (*shroud)(nil)
