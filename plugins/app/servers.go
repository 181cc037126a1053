package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/plugins/network"
)

// servers are the HTTP servers of a configuration, as far as their life is ours.
type servers struct {
	http      *caddyhttp.App // nil if there are none
	newcomers []*network.Newcomers
}

// adopt puts the servers of the HTTP app on shared sockets and watches over their connections. The app may be half way through its own
// provisioning, which may be what brought us here: its servers are all known by then, and read what is changed here when they start.
func (s *servers) adopt(ctx caddy.Context) error {
	found, err := ctx.AppIfConfigured("http")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil
	}
	if err != nil {
		return err
	}
	s.http = found.(*caddyhttp.App)
	if err := network.Share(s.http); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	for _, server := range s.http.Servers {
		n := network.NewNewcomers()
		server.RegisterConnState(n.See)
		server.RegisterOnStop(drainTunnels)
		s.newcomers = append(s.newcomers, n)
	}
	return nil
}

// own returns the addresses the servers listen on. A host name among them stands for nothing: members are checked by address.
func (s *servers) own() []netip.AddrPort {
	if s.http == nil {
		return nil
	}
	var list []netip.AddrPort
	for _, server := range s.http.Servers {
		for _, listen := range server.Listen {
			if own, err := listening(listen); err == nil { // the server itself tells of an address that is none
				list = append(list, own...)
			}
		}
	}
	return list
}

// settle waits, before a reload ends these servers, for connections that are new and have not sent their first request: the servers
// would drop them. Newer ones accept by now, so there come no more. Caddy's shutdown_delay is for addresses that close; where none does,
// it would only hold up the reload.
func (s *servers) settle(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	for _, n := range s.newcomers {
		n.Wait(ctx)
	}
	if s.http != nil && network.Continues(s.http) {
		s.http.ShutdownDelay = 0
	}
}

// limit bounds how long a stopping process waits for requests that are under way, unless the configuration says. For Caddy, no time
// is for ever.
func (s *servers) limit(drainTimeout time.Duration) {
	if s.http != nil && s.http.GracePeriod == 0 {
		s.http.GracePeriod = caddy.Duration(max(drainTimeout, 1))
	}
}

// drainTunnels lets a stopping process wait for connections that were upgraded, which HTTP servers do not know any more, until the end
// of the grace period, which ends ctx.
func drainTunnels(ctx context.Context) error {
	if caddy.Exiting() {
		network.Drain(ctx)
	}
	return nil
}
