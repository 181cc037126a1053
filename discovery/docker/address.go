package docker

import (
	"fmt"
	"net/netip"
)

// addressRule says which addresses may be an instance's.
type addressRule struct {
	c Config
	// bridges are the subnets of the engine's bridge networks.
	bridges []netip.Prefix
}

// refuse says why nobody should be sent to an address, or nothing if it is good.
func (r addressRule) refuse(a netip.Addr) string {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		return "there is no address"
	case a.IsUnspecified():
		return fmt.Sprintf("%s stands for every address and names none", a)
	case a.IsMulticast():
		return fmt.Sprintf("%s is a multicast address", a)
	case a.IsLoopback() && !r.c.AllowLoopback:
		return fmt.Sprintf("%s is a loopback address: no other host reaches it", a)
	case a.IsLinkLocalUnicast() && !r.c.AllowLinkLocal:
		return fmt.Sprintf("%s is a link-local address: it means nothing beyond its link", a)
	case !r.c.AllowBridge && r.onBridge(a):
		return fmt.Sprintf("%s is in a bridge network of this engine: no other host reaches it", a)
	}
	return ""
}

func (r addressRule) onBridge(a netip.Addr) bool {
	for _, p := range r.bridges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// advertised returns the advertise address of a family, invalid if there is none.
func (r addressRule) advertised(six bool) netip.Addr {
	for _, a := range r.c.Advertise {
		if a = a.Unmap(); a.Is6() == six {
			return a
		}
	}
	return netip.Addr{}
}

// families returns the order in which addresses are preferred, as an answer to "is it IPv6".
func (r addressRule) families() [2]bool { return [2]bool{r.c.PreferIPv6, !r.c.PreferIPv6} }
