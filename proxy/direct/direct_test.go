package direct_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/direct"
)

// pair returns the two ends of a connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		other.Close()
	})
	return c.(*net.TCPConn), other.(*net.TCPConn)
}

// What is more than the buffers hold waits for the reader, in both directions.
func TestBytesPass(t *testing.T) {
	near, far := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	wrote := make(chan error, 1)
	go func() {
		n, err := direct.New(near).Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		near.CloseWrite()
		wrote <- err
	}()
	got, err := io.ReadAll(direct.New(far))
	if !bytes.Equal(got, sent) || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), len(sent), err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// Errors are those of the connection itself.
func TestErrorsAreTheConnections(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(near, far *net.TCPConn)
		write bool
		want  error
	}{
		"read until late":     {spoil: func(near, _ *net.TCPConn) { near.SetDeadline(time.Unix(1, 0)) }, want: os.ErrDeadlineExceeded},
		"written until late":  {spoil: func(near, _ *net.TCPConn) { near.SetDeadline(time.Unix(1, 0)) }, write: true, want: os.ErrDeadlineExceeded},
		"read when closed":    {spoil: func(near, _ *net.TCPConn) { near.Close() }, want: net.ErrClosed},
		"written when closed": {spoil: func(near, _ *net.TCPConn) { near.Close() }, write: true, want: net.ErrClosed},
		"read when reset":     {spoil: func(_, far *net.TCPConn) { far.SetLinger(0); far.Close() }, want: syscall.ECONNRESET},
		"ended":               {spoil: func(_, far *net.TCPConn) { far.CloseWrite() }, want: io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			c.spoil(near, far)
			act, op := direct.New(near).Read, "read"
			if c.write {
				act, op = direct.New(near).Write, "write"
			}
			n, err := act(make([]byte, 10))
			if n != 0 || !errors.Is(err, c.want) {
				t.Fatalf("%d bytes, %v; want %v", n, err, c.want)
			}
			if err != io.EOF && !strings.HasPrefix(err.Error(), op+" tcp 127.0.0.1:") {
				t.Errorf("%q does not begin as the connection's own errors do", err)
			}
			plain := func(b []byte) (int, error) { return near.Read(b) }
			if c.write {
				plain = near.Write
			}
			if _, own := plain(make([]byte, 10)); c.want != error(syscall.ECONNRESET) && (own == nil || own.Error() != err.Error()) {
				t.Errorf("%q, where the connection itself says %q", err, own)
			}
		})
	}
}

// A deadline ends a wait that has begun, and a write that it ends says how much has gone.
func TestDeadlinesEndWaits(t *testing.T) {
	near, _ := pair(t)
	near.SetDeadline(time.Now().Add(50 * time.Millisecond))
	c := direct.New(near)
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v", n, err)
	}
	near.SetDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Write(make([]byte, 64<<20)); n == 0 || n == 64<<20 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// ask asks about a connection's socket.
func ask(t *testing.T, c *net.TCPConn, about func(fd uintptr) bool) (answer bool) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { answer = about(fd) })
	return answer
}

// Only a connection that is broken in both directions is hung up.
func TestHungUp(t *testing.T) {
	near, far := pair(t)
	if ask(t, near, direct.HungUp) {
		t.Error("an open connection is hung up")
	}
	near.Write([]byte("x"))
	far.CloseWrite()
	near.Read(make([]byte, 1))
	if ask(t, near, direct.HungUp) {
		t.Error("one whose other end still reads is")
	}
	far.SetLinger(0)
	far.Close()
	for start := time.Now(); !ask(t, near, direct.HungUp) && time.Since(start) < 5*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if !ask(t, near, direct.HungUp) {
		t.Error("one that was reset is not")
	}
}

func TestSilent(t *testing.T) {
	near, far := pair(t)
	look := func() bool { return ask(t, near, direct.Silent) }
	if !look() {
		t.Error("an open connection without bytes is not silent")
	}
	far.Write([]byte("x"))
	for start := time.Now(); look() && time.Since(start) < 5*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if look() {
		t.Error("one with bytes is")
	}
	direct.New(near).Read(make([]byte, 1))
	if !look() {
		t.Error("one whose bytes were read is not")
	}
	far.Close()
	for start := time.Now(); look() && time.Since(start) < 5*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if look() {
		t.Error("one that has ended is")
	}
}
