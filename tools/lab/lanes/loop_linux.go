//go:build linux && (amd64 || arm64)

package lanes

import (
	"context"
	"net"
	"testing"

	"github.com/fairlead/fairlead/proxy/lane"
)

func init() {
	Engines["loop"] = func(tb testing.TB, l *lane.Listener) string {
		tb.Helper()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		return ServeByLoops(tb, 2, ln, l)
	}
}

// Run starts n loops that run until stop.
func Run(tb testing.TB, n int) (loops *lane.Loops, stop func()) {
	tb.Helper()
	loops, err := lane.NewLoops(n)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- loops.Run(ctx) }()
	return loops, func() {
		cancel()
		<-done
	}
}

// ServeByLoops has n loops accept the connections of ln, which it closes, until the test ends, and returns its address.
func ServeByLoops(tb testing.TB, n int, ln net.Listener, l *lane.Listener) string {
	tb.Helper()
	defer ln.Close()
	loops, end := Run(tb, n)
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		tb.Fatal(err)
	}
	stop, err := loops.Listen(int(file.Fd()), l)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		stop()
		file.Close()
		end()
	})
	return ln.Addr().String()
}
