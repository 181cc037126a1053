package egress

import (
	"fmt"
	"net/netip"
	"slices"
)

// Policy judges addresses before they are dialled. It is immutable.
type Policy struct {
	own   map[netip.AddrPort]bool
	ports []uint16 // of own addresses that stand for every local one
	local []netip.Addr
}

// NewPolicy returns the policy that refuses own: our listeners, admin and Consul endpoints. An unspecified address there stands for
// every address of this machine: loopback and local.
func NewPolicy(own []netip.AddrPort, local []netip.Addr) *Policy {
	p := &Policy{own: map[netip.AddrPort]bool{}}
	for _, a := range own {
		if a.Addr().IsUnspecified() {
			p.ports = append(p.ports, a.Port())
			continue
		}
		p.own[netip.AddrPortFrom(plain(a.Addr()), a.Port())] = true
	}
	for _, a := range local {
		p.local = append(p.local, plain(a))
	}
	return p
}

// metadataV6 is where a cloud answers its machines over IPv6; link-local addresses cover the others.
var metadataV6 = netip.MustParseAddr("fd00:ec2::254")

// Refusal says why an address must not be dialled; empty for one that may.
func (p *Policy) Refusal(to netip.AddrPort) string {
	addr := plain(to.Addr())
	switch {
	case !addr.IsValid(), addr.IsUnspecified():
		return "unspecified address"
	case addr.Is4() && (addr.As4()[0] == 0 || addr.As4()[0] >= 240):
		return "reserved or broadcast address"
	case addr.IsMulticast():
		return "multicast address"
	case addr.IsLinkLocalUnicast(), addr == metadataV6:
		return "link-local or metadata address"
	case to.Port() == 0:
		return "port 0"
	case p.own[netip.AddrPortFrom(addr, to.Port())]:
		return "address of this proxy"
	case slices.Contains(p.ports, to.Port()) && (addr.IsLoopback() || slices.Contains(p.local, addr)):
		return "address of this proxy"
	}
	return ""
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// ForbiddenError is the refusal of an address at dial time.
type ForbiddenError struct {
	Addr   string
	Reason string
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("dialling %s is forbidden: %s", e.Addr, e.Reason)
}
