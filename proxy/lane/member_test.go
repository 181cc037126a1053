package lane_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// scripted is a member that handles its connections itself; each is closed when handle returns.
func scripted(t testing.TB, handle func(c *wire)) string {
	t.Helper()
	return lab.Accept(t, func(c net.Conn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		handle(newWire(c))
	})
}

// answering is a member that answers every request without a body with the same bytes.
func answering(t testing.TB, response string) string {
	return scripted(t, func(c *wire) {
		for c.head() != "" {
			io.WriteString(c.Conn, response)
		}
	})
}

const (
	getRequest = "GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
	okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// head reads one head without its empty line, nothing at the connection's end.
func (w *wire) head() string {
	var head strings.Builder
	for {
		line, err := w.ReadString('\n')
		if err != nil {
			return ""
		}
		if line == "\r\n" {
			return head.String()
		}
		head.WriteString(line)
	}
}

// target reads one head and returns what its first line asks for, nothing at the connection's end.
func (w *wire) target() string {
	_, rest, _ := strings.Cut(w.head(), " ")
	target, _, _ := strings.Cut(rest, " ")
	return target
}

// reset makes closing the connection a reset.
func (w *wire) reset() { w.Conn.(*net.TCPConn).SetLinger(0) }

// ended checks that the other end closes the connection without another byte, and tells whether it was properly.
func (w *wire) ended(t testing.TB) (properly bool) {
	t.Helper()
	n, err := io.Copy(io.Discard, w)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("the connection stays open")
	}
	if n > 0 {
		t.Errorf("%d more bytes came", n)
	}
	return err == nil
}

// next returns the next value of a channel that is expected to bring one.
func next[T any](t testing.TB, from chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing has come")
		panic("unreachable")
	}
}
