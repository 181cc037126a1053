package pool

import (
	"net/netip"
	"slices"

	"github.com/fairlead/fairlead/discovery"
)

// guard knows the addresses no member may have.
type guard struct {
	own   []netip.AddrPort
	local []netip.Addr
}

func (g *guard) equal(other *guard) bool {
	return slices.Equal(g.own, other.own) && slices.Equal(g.local, other.local)
}

// cloudMetadata are the addresses at which clouds hand out credentials; the IPv4 one is link-local anyway.
var cloudMetadata = []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")}

// refuse returns why an instance may not be dialled, or "". A host name passes: what it resolves to is judged when it is dialled.
func (g *guard) refuse(i *discovery.Instance) string {
	if i.Port == 0 {
		return "registered without a port"
	}
	addr, err := netip.ParseAddr(i.Address)
	if err != nil {
		return ""
	}
	addr = addr.Unmap()
	switch {
	case addr.IsUnspecified():
		return "registered at the unspecified address " + i.Address
	case addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "registered at the multicast or broadcast address " + i.Address
	case slices.Contains(cloudMetadata, addr):
		return "registered at the cloud's metadata address " + i.Address
	case addr.IsLinkLocalUnicast():
		return "registered at the link-local address " + i.Address
	case g.isOwn(addr, i.Port):
		return "registered at " + i.HostPort() + ", which is this proxy's own: it would loop"
	}
	return ""
}

// isOwn reports whether one of our listeners answers at addr and port. A listener at an unspecified address takes every local
// address of either family: whether an IPv6 socket takes IPv4 too is the system's setting.
func (g *guard) isOwn(addr netip.Addr, port uint16) bool {
	for _, own := range g.own {
		if own.Port() != port {
			continue
		}
		at := own.Addr().Unmap()
		if at == addr || at.IsUnspecified() && (addr.IsLoopback() || slices.Contains(g.local, addr)) {
			return true
		}
	}
	return false
}

// place is an instance's address and port in one spelling, so that two claims to it are seen as such.
type place struct {
	address string
	port    uint16
}

func placeOf(i *discovery.Instance) place {
	if addr, err := netip.ParseAddr(i.Address); err == nil {
		return place{addr.Unmap().String(), i.Port}
	}
	return place{i.Address, i.Port}
}
