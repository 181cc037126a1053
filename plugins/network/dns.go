package network

import (
	"context"
	"fmt"
	"net"

	"github.com/caddyserver/caddy/v2"
)

// Nameserver opens the UDP and the TCP socket of a nameserver's address, or joins them if an older configuration has them open. Two
// generations may read from the UDP socket side by side: whoever reads a question answers it. Connections are accepted, and given back
// unanswered, as those of HTTP servers are. release lets go of the UDP socket after its connection has been closed, which is the
// caller's part, as is closing the listener.
func Nameserver(ctx context.Context, hostport string) (udp net.PacketConn, tcp net.Listener, release func(), err error) {
	address, err := caddy.ParseNetworkAddressWithDefaults(hostport, "udp", 53)
	if err != nil {
		return nil, nil, nil, err
	}
	if address.Network != "udp" || address.PortRangeSize() != 1 {
		return nil, nil, nil, fmt.Errorf("%q is no address of one port", hostport)
	}
	socket, err := acquire(ctx, forDNS, address, net.ListenConfig{})
	if err != nil {
		return nil, nil, nil, err
	}
	udp, err = packetConn(socket)
	if err != nil {
		socket.release()
		return nil, nil, nil, err
	}
	address.Network = "tcp"
	l, err := openListener(ctx, forDNS, address, net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true}})
	if err != nil {
		udp.Close()
		socket.release()
		return nil, nil, nil, err
	}
	return udp, l, socket.release, nil
}

// Door opens the TCP socket of a server that outlives configurations, such as an agent's, or joins it if an older one has it open: the newest
// listener accepts. Closing it is the caller's part.
func Door(ctx context.Context, hostport string) (net.Listener, error) {
	address, err := caddy.ParseNetworkAddress(hostport)
	if err != nil {
		return nil, err
	}
	if address.Network != "tcp" || address.PortRangeSize() != 1 || address.StartPort == 0 {
		return nil, fmt.Errorf("%q is no address of one port", hostport)
	}
	l, err := openListener(ctx, forDoor, address, net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true}})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// packetConn returns a *net.UDPConn of its own: a wrapper would hide the addresses replies are sent from.
func packetConn(s *socket) (net.PacketConn, error) {
	file, err := s.twin()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FilePacketConn(file)
}
