package engine

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"

	"github.com/fairlead/fairlead/tools/lab"
)

// NewProxy returns the address of a way to the real engine on which before sees every request first, and may keep it waiting.
func NewProxy(tb lab.TB, real *Real, before func(*http.Request)) string {
	tb.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return real.Dialer()(ctx)
	}}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	forward.Transport = transport
	host := serve(tb, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		forward.ServeHTTP(w, r)
	}))
	tb.Cleanup(transport.CloseIdleConnections)
	return host
}

// serve listens on a Unix socket until the test ends, and returns its address as the Docker client takes it.
func serve(tb lab.TB, handler http.Handler) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "fairlead-engine") // not TempDir, whose path may be too long for a socket
	if err != nil {
		tb.Fatalf("a folder for the engine's socket: %v", err)
	}
	socket := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		tb.Fatalf("the engine's socket: %v", err)
	}
	server := &http.Server{Handler: handler}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until it is closed below
	}()
	tb.Cleanup(func() {
		server.Close()
		<-served
		os.RemoveAll(dir)
	})
	return "unix://" + socket
}
