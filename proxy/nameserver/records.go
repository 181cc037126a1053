package nameserver

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// lineup returns the members of the groups that take traffic at this moment.
func lineup(p *pool.Pool) []*pool.Member {
	joined := balance.Joined(p)
	if joined < 0 {
		return nil
	}
	return p.Lineups[joined].Members
}

// addresses returns the distinct addresses of members, in order.
func addresses(members []*pool.Member) []netip.Addr {
	addrs := make([]netip.Addr, 0, len(members))
	for _, m := range members {
		if addr, err := netip.ParseAddr(m.Instance.Address); err == nil {
			addrs = append(addrs, addr.Unmap())
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// addressRecords returns the A or AAAA records of name, beginning with another one at every turn.
func (z *zone) addressRecords(name string, rrtype uint16, addrs []netip.Addr, turn uint32) []dns.RR {
	var records []dns.RR
	for _, addr := range addrs {
		if addr.Is4() == (rrtype == dns.TypeA) {
			records = append(records, z.addressRecord(name, addr))
		}
	}
	rotate(records, turn)
	return records
}

func (z *zone) addressRecord(name string, addr netip.Addr) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: z.header(name, dns.TypeA), A: addr.AsSlice()}
	}
	return &dns.AAAA{Hdr: z.header(name, dns.TypeAAAA), AAAA: addr.AsSlice()}
}

// fillServices adds the SRV records of a pool (RFC 2782), by priority and rotated within each, and the addresses of their
// targets.
func (z *zone) fillServices(m *dns.Msg, p *pool.Pool, turn uint32) {
	members := lineup(p)
	services := make([]*dns.SRV, 0, len(members))
	for _, member := range members {
		host, ok := z.hostName(member.Instance.Address)
		if !ok {
			continue
		}
		services = append(services, &dns.SRV{
			Hdr:      z.header(m.Question[0].Name, dns.TypeSRV),
			Priority: groupIndex(p, member.Priority), Weight: uint16(min(member.Weight, 0xffff)),
			Port: member.Instance.Port, Target: host,
		})
	}
	slices.SortFunc(services, compareServices)
	services = slices.CompactFunc(services, func(a, b *dns.SRV) bool { return compareServices(a, b) == 0 })
	for rest := services; len(rest) > 0; {
		end := 1
		for end < len(rest) && rest[end].Priority == rest[0].Priority {
			end++
		}
		rotate(rest[:end], turn)
		rest = rest[end:]
	}
	for _, service := range services {
		m.Answer = append(m.Answer, service)
	}
	for _, addr := range addresses(members) {
		m.Extra = append(m.Extra, z.addressRecord(z.name(addr), addr))
	}
}

func compareServices(a, b *dns.SRV) int {
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), strings.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
}

// groupIndex returns the place of the group of a priority: SRV's priority, where lower is preferred.
func groupIndex(p *pool.Pool, priority int) uint16 {
	return uint16(slices.IndexFunc(p.Groups, func(g *pool.Group) bool { return g.Priority == priority }))
}

// hostName returns the host name of a member's address, or false for what is neither an address nor a host name: it would spoil
// the whole answer.
func (z *zone) hostName(address string) (string, bool) {
	if addr, err := netip.ParseAddr(address); err == nil {
		return z.name(addr.Unmap()), true
	}
	host, ok := route.Normalise(address)
	return host + ".", ok && host != ""
}

// rotate moves the first turn elements, counted round and round, to the end.
func rotate[T any](list []T, turn uint32) {
	if len(list) < 2 {
		return
	}
	k := int(turn % uint32(len(list)))
	slices.Reverse(list[:k])
	slices.Reverse(list[k:])
	slices.Reverse(list)
}
