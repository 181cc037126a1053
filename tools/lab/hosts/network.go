package hosts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
)

// network is a lab's wire: a bridge in a namespace of its own, the switch, with a line to each host and one to this machine. Since the
// bridge is not this machine's, this machine's filter rules do not see what the hosts say to each other.
type network struct {
	subnet netip.Prefix
	// uplink is this machine's interface in the network.
	uplink string
	sw     *machine
}

// edgeNumber and firstHost are the last bytes of addresses: this machine's and the first host's.
const (
	edgeNumber = 1
	firstHost  = 11
)

func newNetwork(ctx context.Context, init, suffix string) (*network, error) {
	sw, err := boot(init, "the switch", []string{"net"})
	if err != nil {
		return nil, err
	}
	n := &network{uplink: "fl" + suffix, sw: sw}
	if err := n.connect(ctx); err != nil {
		sw.kill()
		return nil, err
	}
	return n, nil
}

func (n *network) connect(ctx context.Context) error {
	for _, args := range []string{"link add bridge type bridge", "link set bridge up"} {
		if err := n.ip(ctx, args); err != nil {
			return err
		}
	}
	if err := onEdge(ctx, fmt.Sprintf("link add %s type veth peer name uplink netns %d", n.uplink, n.sw.pid())); err != nil {
		return err
	}
	if err := n.ip(ctx, "link set uplink master bridge up"); err != nil {
		return err
	}
	for range 20 {
		if err := n.settle(ctx); err == nil {
			return onEdge(ctx, "link set "+n.uplink+" up")
		}
	}
	return errors.New("no subnet is free")
}

// settle takes a random subnet of the range for laboratories (RFC 2544), or returns an error if another interface has it.
func (n *network) settle(ctx context.Context) error {
	n.subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + rand.N(2)), byte(rand.N(256)), 0}), 24)
	mine := n.address(edgeNumber).String() + "/24"
	if err := onEdge(ctx, "addr add "+mine+" dev "+n.uplink); err != nil {
		return err
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	same := 0
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Overlaps(n.subnet) {
			same++
		}
	}
	if same == 1 {
		return nil
	}
	// Of two labs that chose the same at the same time, both choose again.
	return errors.Join(errors.New("the subnet is taken"), onEdge(ctx, "addr del "+mine+" dev "+n.uplink))
}

// address returns the network's address with this last byte.
func (n *network) address(last int) netip.Addr {
	a := n.subnet.Addr().As4()
	a[3] = byte(last)
	return netip.AddrFrom4(a)
}

// plug connects a host's machine: a line from the switch, named as the host, to its eth0.
func (n *network) plug(ctx context.Context, m *machine, a netip.Addr) error {
	b := a.As4()
	// The hardware address is the host's for ever, so that its neighbours know it again after a power-off.
	line := fmt.Sprintf("link add %s type veth peer name eth0 address 02:fa:%02x:%02x:%02x:%02x netns %d", m.name, b[0], b[1], b[2], b[3], m.pid())
	if err := n.ip(ctx, line); err != nil {
		return err
	}
	for _, args := range []string{"link set lo up", "addr add " + a.String() + "/24 dev eth0", "link set eth0 up"} {
		if _, err := m.run(ctx, append([]string{"ip"}, strings.Fields(args)...)...); err != nil {
			return err
		}
	}
	return n.ip(ctx, "link set "+m.name+" master bridge up")
}

// unplug takes the line to a host away.
func (n *network) unplug(ctx context.Context, host string) error {
	err := n.ip(ctx, "link del "+host)
	if err != nil && strings.Contains(err.Error(), "Cannot find device") {
		return nil // the kernel was faster: it went with the host's namespace
	}
	return err
}

// States of a bridge's port (linux/if_bridge.h).
const (
	portDisabled   = 0
	portForwarding = 3
)

// port sets the state of a host's port. A disabled one drops every frame, and both sides keep their link.
func (n *network) port(ctx context.Context, host string, state int) error {
	_, err := n.sw.run(ctx, "bridge", "link", "set", "dev", host, "state", strconv.Itoa(state))
	return err
}

// ip runs ip(8) in the switch.
func (n *network) ip(ctx context.Context, args string) error {
	_, err := n.sw.run(ctx, append([]string{"ip"}, strings.Fields(args)...)...)
	return err
}

// onEdge runs ip(8) on this machine.
func onEdge(ctx context.Context, args string) error {
	if out, err := exec.CommandContext(ctx, "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// close takes the network away, the uplink included.
func (n *network) close(ctx context.Context) error {
	err := onEdge(ctx, "link del "+n.uplink)
	n.sw.kill()
	return err
}
