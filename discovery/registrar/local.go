package registrar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// isLocal says why an agent is not this host's, or nothing. known is false where the agent may not be asked who it is.
func (c Config) isLocal(ctx context.Context, who self, known bool) error {
	if c.AllowRemote {
		return nil
	}
	const advice = "register with the agent of this host, or allow a remote one"
	if c.Node != "" && known && c.Node != who.Config.NodeName && c.Node != who.Config.NodeID {
		return fmt.Errorf("the agent at %s is node %q, and this is %q: %s", c.Address, who.Config.NodeName, c.Node, advice)
	}
	host := hostOf(c.Address)
	if c.Node != "" && known || c.Advertise != "" && known && sameAddress(c.Advertise, who.Member.Addr) {
		return nil
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("looking up the agent: %w", err)
	}
	for _, address := range addresses {
		if address.IsLoopback() || ownAddress(address) {
			return nil
		}
	}
	return fmt.Errorf("the agent at %s is another host's: %s", c.Address, advice)
}

// hostOf returns the host of an address that consul.Config takes.
func hostOf(address string) string {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Hostname()
}

func sameAddress(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errors.Join(errX, errY) == nil && x.Unmap() == y.Unmap()
}

// ownAddress reports whether an interface of this host has the address.
func ownAddress(address netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, o := range own {
		if prefix, err := netip.ParsePrefix(o.String()); err == nil && prefix.Addr().Unmap() == address.Unmap() {
			return true
		}
	}
	return false
}
