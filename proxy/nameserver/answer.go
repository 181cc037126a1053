package nameserver

import (
	"net/netip"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/proxy/pool"
)

// maxUDP is the largest UDP message we send and ask for: it fits unfragmented through any path that IPv6 runs on (DNS flag day 2020).
const maxUDP = 1232

// answer answers one question. It is pure: turn, which rotates the records, is what differs between two equal questions.
// The request has exactly one question and at most one OPT record. Names are answered in the case they were asked in.
func (z *zone) answer(s *pool.Snapshot, req *dns.Msg, client netip.Addr, turn uint32) *dns.Msg {
	m := newReply(req)
	q := req.Question[0]
	opt := req.IsEdns0()
	switch {
	case opt != nil && opt.Version() != 0:
		m.Rcode = dns.RcodeBadVers
		return m
	case q.Qclass != dns.ClassINET || refusedType(q.Qtype):
		m.Rcode = dns.RcodeRefused
		return m
	}
	t := z.find(s, q.Name, client)
	m.Rcode = t.rcode
	if t.rcode != dns.RcodeSuccess && t.rcode != dns.RcodeNameError {
		return m
	}
	m.Authoritative = true
	if t.rcode == dns.RcodeSuccess {
		z.fill(m, s, &t, turn)
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{z.soa(t.authority, s.Version)}
	}
	return m
}

// newReply returns an empty reply to req, with an OPT record if that has one (RFC 6891 §6.1.1).
func newReply(req *dns.Msg) *dns.Msg {
	m := &dns.Msg{Compress: true, Question: req.Question}
	m.Id, m.Opcode, m.Response = req.Id, req.Opcode, true
	m.RecursionDesired, m.CheckingDisabled = req.RecursionDesired, req.CheckingDisabled
	if opt := req.IsEdns0(); opt != nil {
		m.SetEdns0(maxUDP, opt.Do())
	}
	return m
}

// refusedType reports whether a type is no type of data but an operation or a protocol's element: transfers, keys, OPT (RFC
// 6895 §3.1). ANY, which is one too, is answered.
func refusedType(qtype uint16) bool {
	return qtype == dns.TypeNone || qtype == dns.TypeOPT || qtype >= 128 && qtype <= 254
}

// fill adds the records of the asked type.
func (z *zone) fill(m *dns.Msg, s *pool.Snapshot, t *target, turn uint32) {
	q := m.Question[0]
	switch q.Qtype {
	case dns.TypeA, dns.TypeAAAA:
		addrs := t.addrs
		if len(addrs) == 0 && t.pool != nil {
			addrs = addresses(lineup(t.pool))
		}
		m.Answer = z.addressRecords(q.Name, q.Qtype, addrs, turn)
	case dns.TypeSRV:
		if t.pool != nil {
			z.fillServices(m, t.pool, turn)
		}
	case dns.TypeSOA:
		if len(t.authority) == len(q.Name) {
			m.Answer = []dns.RR{z.soa(q.Name, s.Version)}
		}
	case dns.TypeANY: // the smallest answer that is one (RFC 8482 §4.2)
		m.Answer = []dns.RR{&dns.HINFO{Hdr: z.header(q.Name, dns.TypeHINFO), Cpu: "RFC8482"}}
	}
}

func (z *zone) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: z.ttl}
}

// soa returns the record of an authority. Its minimum is the time a negative answer may be kept (RFC 2308 §4).
func (z *zone) soa(owner string, version uint64) dns.RR {
	return &dns.SOA{Hdr: z.header(owner, dns.TypeSOA), Ns: "ns." + z.apex, Mbox: "hostmaster." + z.apex,
		Serial: uint32(version), Refresh: 3600, Retry: 600, Expire: 86400, Minttl: z.ttl}
}
