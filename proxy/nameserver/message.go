package nameserver

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/proxy/pool"
)

// headerSize is the length of a message's header (RFC 1035 §4.1.1).
const headerSize = 12

// Bits of a header's third and fourth byte.
const (
	bitResponse  = 0x80
	maskOpcode   = 0x78
	bitRecursion = 0x01
	shiftOpcode  = 3
)

// respond answers one packet from a client, in buf if that is large enough. It returns nil for what deserves no answer: a
// fragment of a header, and a response, which could begin an endless exchange.
func (z *zone) respond(s *pool.Snapshot, packet []byte, client netip.Addr, tcp bool, buf []byte) []byte {
	if len(packet) < headerSize || packet[2]&bitResponse != 0 {
		return nil
	}
	if (packet[2]&maskOpcode)>>shiftOpcode != dns.OpcodeQuery {
		return refuse(packet, dns.RcodeNotImplemented, buf)
	}
	req, ok := parse(packet)
	if !ok {
		return refuse(packet, dns.RcodeFormatError, buf)
	}
	limit := dns.MaxMsgSize
	if !tcp {
		limit = udpLimit(req)
	}
	reply, err := pack(z.answer(s, req, client, rand.Uint32()), limit, buf)
	if err != nil {
		return refuse(packet, dns.RcodeServerFailure, buf)
	}
	return reply
}

// parse reads a query, and reports whether it holds what one may: one question (RFC 9619), no answer, at most one authority
// record (IXFR has one), and OPT, at most once (RFC 6891 §6.1.1), and TSIG beside it.
func parse(packet []byte) (*dns.Msg, bool) {
	count := func(at int) uint16 { return binary.BigEndian.Uint16(packet[at:]) }
	if count(4) != 1 || count(6) != 0 || count(8) > 1 || count(10) > 2 {
		return nil, false
	}
	req := new(dns.Msg)
	if err := req.Unpack(packet); err != nil || len(req.Question) != 1 { // a header alone unpacks without fault
		return nil, false
	}
	opts := 0
	for _, rr := range req.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			opts++
		}
	}
	return req, opts <= 1
}

// refuse returns a header alone, for packets that are not looked into any further.
func refuse(packet []byte, rcode byte, buf []byte) []byte {
	buf = append(buf[:0], packet[0], packet[1], bitResponse|packet[2]&(maskOpcode|bitRecursion), rcode)
	return append(buf, 0, 0, 0, 0, 0, 0, 0, 0)
}

// udpLimit returns the most bytes that may answer a request by UDP.
func udpLimit(req *dns.Msg) int {
	opt := req.IsEdns0()
	if opt == nil {
		return dns.MinMsgSize
	}
	return min(max(int(opt.UDPSize()), dns.MinMsgSize), maxUDP)
}

// pack writes a reply of at most limit bytes. Additional addresses go first, since the client can ask for them; only then are
// answers left out, which sets TC (RFC 2181 §9).
func pack(m *dns.Msg, limit int, buf []byte) ([]byte, error) {
	reply, err := m.PackBuffer(buf)
	if err != nil || len(reply) <= limit {
		return reply, err
	}
	if opt := m.IsEdns0(); opt != nil {
		m.Extra = []dns.RR{opt}
	} else {
		m.Extra = nil
	}
	reply, err = m.PackBuffer(buf)
	if err != nil || len(reply) <= limit {
		return reply, err
	}
	m.Truncate(limit)
	return m.PackBuffer(buf)
}
