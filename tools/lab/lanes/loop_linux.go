//go:build linux && (amd64 || arm64)

package lanes

import (
	"context"
	"net"
	"testing"

	"github.com/fairlead/fairlead/proxy/lane"
)

func init() { Engines["loop"] = serveLoop }

// Run starts loops that run until stop.
func Run(tb testing.TB) (loops *lane.Loops, stop func()) {
	tb.Helper()
	loops, err := lane.NewLoops(2)
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

func serveLoop(tb testing.TB, l *lane.Listener) string {
	tb.Helper()
	loops, end := Run(tb)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
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
