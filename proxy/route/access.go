package route

import (
	"net/netip"
	"strings"

	"github.com/fairlead/fairlead/proxy/pool"
)

// judge finds the client's address and holds the whole chain against the access list of d's cluster: the socket's peer and
// every address in Forwarded and X-Forwarded-For must be on it, whoever sent the header, and what cannot be read refuses.
//
// A trusted proxy's own address does not count. Where a chain consists of trusted proxies only, the one farthest from us is
// itself the client (a load balancer's health check, or an internal client where whole networks are trusted), and must be on
// the list like any other: trust alone lets nobody in. So a trusted proxy must name its clients, or stay off the lists.
//
// Early data of QUIC can be sent from anywhere under anybody's address, so that such a request is not judged at all.
func judge(s *pool.Snapshot, a *Ask, d *Decision) {
	peer := clean(a.Peer)
	d.Client = peer
	open := d.Cluster == nil || d.Cluster.Allow == nil
	if open && len(a.Forwarded)+len(a.XForwardedFor) == 0 {
		return
	}
	if !open && a.Early {
		d.Code = TooEarly
		return
	}
	w := walk{trusted: s.Trusted, decision: d}
	if !open {
		w.allow, w.restricted = d.Cluster.Allow, true
	}
	headers := w.xForwardedFor(a.XForwardedFor).or(w.forwarded(a.Forwarded))
	w.hop(peer, new(origin))
	if inside(s.Trusted, peer) {
		d.Client = headers.client(peer)
	}
	if w.restricted && d.Code == OK && !inside(w.allow, d.Client) {
		d.Code, d.blame = Denied, d.Client
	}
}

// walk goes along a chain of addresses and notes in its decision the first one that refuses.
type walk struct {
	trusted, allow []netip.Prefix
	restricted     bool
	decision       *Decision
}

// xForwardedFor walks the lines of X-Forwarded-For. Empty list elements count for nothing (RFC 9110 §5.6.1.2).
func (w *walk) xForwardedFor(lines []string) (o origin) {
	for _, line := range lines {
		for more := true; more; {
			var node string
			node, line, more = strings.Cut(line, ",")
			if node = strings.Trim(node, " \t"); node != "" {
				w.node(node, &o)
			}
		}
	}
	return o
}

// forwarded walks the lines of Forwarded.
func (w *walk) forwarded(lines []string) (o origin) {
	for _, line := range lines {
		if !forwardedNodes(line, func(node string) { w.node(node, &o) }) {
			w.unreadable(line, &o)
		}
	}
	return o
}

func (w *walk) node(text string, o *origin) {
	addr, ok := parseNode(text)
	if !ok {
		w.unreadable(text, o)
		return
	}
	w.hop(addr, o)
}

// hop takes one address of the chain, those farthest from us first.
func (w *walk) hop(addr netip.Addr, o *origin) {
	trusted := inside(w.trusted, addr)
	o.add(addr, trusted)
	if w.restricted && !trusted && w.decision.Code == OK && !inside(w.allow, addr) {
		w.decision.Code, w.decision.blame = Denied, addr
	}
}

// unreadable takes a part of the chain that names no address. What stands before it is not known to belong to the client.
func (w *walk) unreadable(text string, o *origin) {
	*o = origin{}
	if w.restricted && w.decision.Code == OK {
		w.decision.Code, w.decision.word = BadChain, text
	}
}

// origin is where one header says that a request came from: near is its last address that is not a trusted proxy's, far its
// first address.
type origin struct{ near, far netip.Addr }

func (o *origin) add(addr netip.Addr, trusted bool) {
	if !o.far.IsValid() {
		o.far = addr
	}
	if !trusted {
		o.near = addr
	}
}

// or completes o with what another header says. X-Forwarded-For goes first, since most proxies write that one and hand on a
// client's Forwarded as it is.
func (o origin) or(other origin) origin {
	if !o.near.IsValid() {
		o.near = other.near
	}
	if !o.far.IsValid() {
		o.far = other.far
	}
	return o
}

// client returns the client behind a trusted peer.
func (o origin) client(peer netip.Addr) netip.Addr {
	switch {
	case o.near.IsValid():
		return o.near
	case o.far.IsValid():
		return o.far
	}
	return peer
}

// clean removes what would keep an address from matching its network: an IPv4 address's mapping into IPv6 and a zone.
func clean(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func inside(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}
