package network

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// names maps the networks of Caddy's listeners to those of this package.
var names = map[string]string{"tcp": "shared", "tcp4": "shared4", "tcp6": "shared6"}

func init() {
	for tcp, shared := range names {
		caddy.RegisterNetwork(shared, opener(tcp))
		caddyhttp.RegisterNetworkHTTP3(shared, strings.Replace(tcp, "tcp", "udp", 1))
	}
}

// opener returns what opens listeners of a shared network in place of the given one.
func opener(tcp string) caddy.ListenerFunc {
	return func(ctx context.Context, _, host, ports string, offset uint, config net.ListenConfig) (any, error) {
		first, _, _ := strings.Cut(ports, "-")
		port, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q: %w", ports, err)
		}
		address := caddy.NetworkAddress{Network: tcp, Host: host, StartPort: uint(port) + offset, EndPort: uint(port) + offset}
		l, err := openListener(ctx, forHTTP, address, config)
		if err != nil {
			return nil, err
		}
		return l, nil
	}
}

// Share makes the servers of an HTTP app listen on shared sockets. It is called while the app is being provisioned: its servers read
// their listen addresses when they start, and automatic HTTPS has read them before. Addresses of other networks, such as Unix
// sockets, which Caddy shares itself, stay as they are. Doing it twice does nothing.
func Share(app *caddyhttp.App) error {
	for name, server := range app.Servers {
		for i, listen := range server.Listen {
			// A server that is not provisioned yet still has its placeholders.
			listen, err := caddy.NewReplacer().ReplaceOrErr(listen, true, true)
			if err != nil {
				return fmt.Errorf("server %s: %w", name, err)
			}
			address, err := caddy.ParseNetworkAddress(listen)
			if err != nil {
				return fmt.Errorf("server %s: listener address %q: %w", name, listen, err)
			}
			if shared, ok := names[address.Network]; ok {
				address.Network = shared
				server.Listen[i] = address.String()
			}
		}
	}
	return nil
}

// Continues reports whether every shared address of an app has another user, so that nothing closes when the app stops.
func Continues(app *caddyhttp.App) bool {
	for _, server := range app.Servers {
		for _, listen := range server.Listen {
			address, err := caddy.ParseNetworkAddress(listen)
			if err != nil {
				continue
			}
			tcp, ok := strings.CutPrefix(address.Network, "shared")
			if !ok {
				continue
			}
			address.Network = "tcp" + tcp
			for _, each := range address.Expand() {
				if users(each) < 2 {
					return false
				}
			}
		}
	}
	return true
}
