package lab

import (
	"net"
	"sync"
)

// Accept listens on 127.0.0.1 until the test ends and has every connection handled in a goroutine of its own, whose end is waited for.
// handle owns the connection. It returns the address.
func Accept(tb TB, handle func(net.Conn)) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listening: %v", err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { handle(c) })
		}
	})
	tb.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}

// DeadAddress is one that refuses connections until the test ends: that of the client's end of an open connection. A port that is merely
// free would soon be somebody else's, in this process or in another test's.
func DeadAddress(tb TB) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listening: %v", err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatalf("connecting: %v", err)
	}
	tb.Cleanup(func() { near.Close() })
	far, err := ln.Accept()
	if err != nil {
		tb.Fatalf("accepting: %v", err)
	}
	tb.Cleanup(func() { far.Close() })
	return near.LocalAddr().String()
}
