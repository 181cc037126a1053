package nameserver

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Server answers DNS questions from a table.
type Server struct {
	table   *pool.Table
	zone    *zone
	options Options
	conns   chan struct{} // one element for every open TCP connection
}

// New returns a server that is not serving yet.
func New(table *pool.Table, o Options) *Server {
	o = o.withDefaults()
	return &Server{table: table, zone: newZone(o.Zone, o.TTL), options: o, conns: make(chan struct{}, o.MaxConns)}
}

// Serve answers what comes in by the sockets until ctx ends, and returns ctx's error then, or the error of the first socket
// that broke. It closes the sockets before it returns. Another server may read from the same UDP socket through a descriptor
// or a wrapper of its own, as an older configuration's does while a newer one starts, and goes on undisturbed.
func (s *Server) Serve(ctx context.Context, udp []net.PacketConn, tcp []net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	if err := s.options.Validate(); err != nil {
		group.Go(func() error { return fmt.Errorf("setting up the nameserver: %w", err) })
	}
	for _, conn := range udp {
		group.Go(func() error { return s.serveUDP(ctx, conn) })
	}
	for _, listener := range tcp {
		group.Go(func() error { return s.serveTCP(ctx, listener) })
	}
	group.Go(func() error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	return group.Wait()
}
