package egress

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// Dialer opens a TCP connection. It is the seam for source-address pools.
type Dialer interface {
	Dial(ctx context.Context, address string, check func(netip.AddrPort) error) (*net.TCPConn, error)
}

// directDialer dials from whatever source address the kernel picks.
type directDialer struct{ probe net.KeepAliveConfig }

func newDirectDialer(idle time.Duration) *directDialer {
	return &directDialer{probe: net.KeepAliveConfig{Enable: true, Idle: idle, Interval: idle / 3, Count: 3}}
}

// Dial implements Dialer. check sees every address the host name resolves to, right before it is connected to.
func (d *directDialer) Dial(ctx context.Context, address string, check func(netip.AddrPort) error) (*net.TCPConn, error) {
	dialer := net.Dialer{
		KeepAliveConfig: d.probe,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return check(to)
		},
	}
	dialer.SetMultipathTCP(false)
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// guard is the policy of the moment, replaced as a whole.
type guard struct{ policy atomic.Pointer[Policy] }

func (g *guard) check(to netip.AddrPort) error {
	if reason := g.policy.Load().Refusal(to); reason != "" {
		return &ForbiddenError{Addr: to.String(), Reason: reason}
	}
	return nil
}
