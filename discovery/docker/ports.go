package docker

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
)

// readPorts returns a container's exposed ports in the order of their numbers, with the bindings the engine has made.
func readPorts(r api.InspectResponse) []port {
	all := map[nat.Port][]nat.PortBinding{}
	for p := range r.Config.ExposedPorts {
		all[p] = nil
	}
	if r.NetworkSettings != nil {
		maps.Copy(all, r.NetworkSettings.Ports)
	}
	var ports []port
	for p, bindings := range all {
		number, err := strconv.ParseUint(p.Port(), 10, 16)
		if err != nil || number == 0 {
			continue // a range, which the engine splits before it publishes it
		}
		own := port{number: uint16(number), proto: p.Proto()}
		for _, b := range bindings {
			own.bindings = append(own.bindings, binding{ip: b.HostIP, port: b.HostPort})
		}
		ports = append(ports, own)
	}
	slices.SortFunc(ports, func(a, b port) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.proto, b.proto)) })
	return ports
}

// place is where one port of a container is reached, or why that cannot be said.
type place struct {
	port    port
	address netip.Addr
	number  uint16
	refused string
}

// places returns where a container's ports are reached. Ports that are only exposed do not count unless they are all there is to ask
// for: in the host's network and in internal mode.
func (r addressRule) places(c *container) []place {
	var places []place
	for _, p := range c.ports {
		switch {
		case c.hostNetwork:
			places = append(places, r.onHost(p))
		case r.c.Internal:
			places = append(places, r.inside(c, p))
		case len(p.bindings) > 0:
			places = append(places, r.published(p))
		}
	}
	return places
}

// onHost is a port of a container in the host's network.
func (r addressRule) onHost(p port) place {
	for _, six := range r.families() {
		if a := r.advertised(six); a.IsValid() {
			return r.check(place{port: p, address: a, number: p.number})
		}
	}
	return place{port: p, refused: "it is in the host's network and there is no advertise address"}
}

// published takes the first good binding of the preferred family, then of the other.
func (r addressRule) published(p port) place {
	var refused []string
	for _, six := range r.families() {
		for _, b := range p.bindings {
			at, reason := r.bound(b, six)
			if reason == "" && at.IsValid() {
				return place{port: p, address: at.Addr(), number: at.Port()}
			}
			if reason != "" && !slices.Contains(refused, reason) {
				refused = append(refused, reason)
			}
		}
	}
	return place{port: p, refused: strings.Join(refused, "; ")}
}

// bound returns the address of a binding, invalid if it is of the other family, or why it is refused.
func (r addressRule) bound(b binding, six bool) (netip.AddrPort, string) {
	number, err := strconv.ParseUint(b.port, 10, 16)
	if err != nil || number == 0 {
		return netip.AddrPort{}, fmt.Sprintf("host port %q is not a port from 1 to 65535", b.port)
	}
	// An empty address is any, of both families.
	a := netip.IPv4Unspecified()
	if six {
		a = netip.IPv6Unspecified()
	}
	if b.ip != "" {
		if a, err = netip.ParseAddr(b.ip); err != nil {
			return netip.AddrPort{}, fmt.Sprintf("host address %q is not an IP address", b.ip)
		}
	}
	if a = a.Unmap(); a.Is6() != six {
		return netip.AddrPort{}, ""
	}
	if a.IsUnspecified() {
		if a = r.advertised(six); !a.IsValid() {
			return netip.AddrPort{}, "it is published on all addresses of a family (" + b.ip + ") that has no advertise address"
		}
	}
	if reason := r.refuse(a); reason != "" {
		return netip.AddrPort{}, reason
	}
	return netip.AddrPortFrom(a, uint16(number)), ""
}

// Networks that Swarm puts containers into for its own sake: nobody reaches them there.
const (
	ingressNetwork = "ingress"
	gatewayBridge  = "docker_gwbridge"
)

// inside is a port at the container's own address.
func (r addressRule) inside(c *container, p port) place {
	if c.sharing != "" {
		return place{port: p, refused: "it shares the network of another container, which has the address: let that one name the service"}
	}
	name := r.c.Network
	if name == "" {
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(c.networks)), func(n string) bool { return n == ingressNetwork || n == gatewayBridge })
		if len(names) != 1 {
			return place{port: p, refused: fmt.Sprintf("it is in %d networks (%s): name the one that counts", len(names), strings.Join(names, ", "))}
		}
		name = names[0]
	}
	at, ok := c.networks[name]
	if !ok {
		return place{port: p, refused: fmt.Sprintf("it is not in the network %q", name)}
	}
	for _, six := range r.families() {
		a := at.four
		if six {
			a = at.six
		}
		if a.IsValid() {
			r.c.AllowBridge = true // a bridge network's address is what was asked for
			return r.check(place{port: p, address: a, number: p.number})
		}
	}
	return place{port: p, refused: fmt.Sprintf("it has no address in the network %q", name)}
}

func (r addressRule) check(p place) place {
	p.refused = r.refuse(p.address)
	return p
}
