package nameserver

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// zone knows the names and what they stand for.
type zone struct {
	apex string // "fairlead.", lower case
	// service and addr end the names of services and addresses: ".service.fairlead.".
	service, addr string
	ttl           uint32 // seconds
}

func newZone(name string, ttl time.Duration) *zone {
	apex := dns.CanonicalName(name)
	return &zone{apex: apex, service: ".service." + apex, addr: ".addr." + apex, ttl: uint32(ttl / time.Second)}
}

// target is what a name stands for.
type target struct {
	// rcode is success for a name that exists, whatever records it has.
	rcode int
	// authority owns the SOA record: the zone's apex, or the name itself where it lies outside the zone; empty for none.
	authority string
	// addrs are the answer to A and AAAA questions, where set; otherwise it is the pool's members.
	addrs []netip.Addr
	pool  *pool.Pool // nil for none
}

// find tells what a fully qualified name stands for, for one client.
func (z *zone) find(s *pool.Snapshot, name string, client netip.Addr) target {
	lower := strings.ToLower(name)
	if !dns.IsSubDomain(z.apex, lower) {
		return judged(route.Decide(s, route.Ask{Host: lower, Peer: client}), name)
	}
	t := target{authority: name[len(name)-len(z.apex):]}
	if text, ok := strings.CutSuffix(lower, z.addr); ok {
		t.addrs, t.rcode = parseHex(text)
		return t
	}
	if text, ok := strings.CutSuffix(lower, z.service); ok {
		d := route.DecideService(s, route.Ask{Host: text, Peer: client})
		t.rcode, t.pool = inZone(d.Code), d.Pool
		return t
	}
	if lower == z.apex || lower == z.addr[1:] || lower == z.service[1:] {
		return t
	}
	t = judged(route.Decide(s, route.Ask{Host: lower, Peer: client}), t.authority)
	if t.rcode == dns.RcodeRefused {
		t.rcode, t.authority = dns.RcodeNameError, name[len(name)-len(z.apex):]
	}
	return t
}

// judged turns the decision on a domain into its target.
func judged(d route.Decision, authority string) target {
	t := target{rcode: inZone(d.Code), authority: authority, pool: d.Pool}
	unclaimed := d.Code == route.BadHost || d.Code == route.NoDomain && (d.Cluster == nil || d.Cluster.Prefix == "")
	switch {
	case unclaimed:
		t.rcode, t.authority = dns.RcodeRefused, ""
	case d.Pool != nil:
		t.addrs = d.Cluster.DNS.Edge
	}
	return t
}

// inZone returns the response code of a decision on a name we are the authority for.
func inZone(c route.Code) int {
	switch c {
	case route.OK, route.NoMember:
		return dns.RcodeSuccess
	case route.ClusterUnready:
		return dns.RcodeServerFailure
	}
	return dns.RcodeNameError
}

// name returns the host name that stands for an address.
func (z *zone) name(addr netip.Addr) string { return hex.EncodeToString(addr.AsSlice()) + z.addr }

// parseHex reads the address in a host name of ours.
func parseHex(text string) (addrs []netip.Addr, rcode int) {
	raw, err := hex.DecodeString(text)
	addr, ok := netip.AddrFromSlice(raw)
	if err != nil || !ok {
		return nil, dns.RcodeNameError
	}
	return []netip.Addr{addr}, dns.RcodeSuccess
}
