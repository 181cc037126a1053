package proxy

import (
	"net"
	"net/netip"
	"slices"
	"time"
)

// interfaceAddrs returns the addresses of this machine's interfaces, sorted; none where they cannot be had.
func interfaceAddrs() []netip.Addr {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, a := range found {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, prefix.Addr())
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}

// local keeps this machine's addresses for a while: asking the kernel for them is dearer than most builds. Addresses come and go
// while the process runs, as those that keepalived moves.
type local struct {
	ask   func() []netip.Addr
	every time.Duration
	asked time.Time
	addrs []netip.Addr
}

// at brings the addresses up to date, and reports whether they have changed.
func (l *local) at(now time.Time) (changed bool) {
	if !l.asked.IsZero() && now.Sub(l.asked) < l.every {
		return false
	}
	l.asked = now
	old := l.addrs
	l.addrs = l.ask()
	return !slices.Equal(l.addrs, old)
}
