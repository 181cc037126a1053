package hosts

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// Partition cuts the host off from everybody without ending anything: its link stays up and every frame is dropped. A power-off
// ends it.
func (h *Host) Partition(ctx context.Context) error {
	return h.lab.net.port(ctx, h.Name, portDisabled)
}

// Heal ends a Partition and every Cut of this host.
func (h *Host) Heal(ctx context.Context) error {
	if err := h.lab.net.port(ctx, h.Name, portForwarding); err != nil {
		return err
	}
	routes, err := h.Run(ctx, "ip", "route", "show", "type", "blackhole")
	if err != nil {
		return err
	}
	for line := range strings.Lines(routes) {
		target, err := netip.ParseAddr(strings.Fields(line)[1])
		if err != nil {
			return fmt.Errorf("the route %q of host %s: %w", line, h.Name, err)
		}
		if err := h.route(ctx, "del", target); err != nil {
			return err
		}
	}
	return nil
}

// Cut has the host send nothing more to an address, another host's or the edge's, from itself or its containers: no connection between
// the two is made or goes on. What the other side sends still arrives, so two hosts that shall not hear each other are both cut. A
// power-off ends it.
func (h *Host) Cut(ctx context.Context, other netip.Addr) error { return h.route(ctx, "add", other) }

func (h *Host) route(ctx context.Context, verb string, other netip.Addr) error {
	_, err := h.Run(ctx, "ip", "route", verb, "blackhole", other.String()+"/32")
	return err
}
