package nameserver

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func packed(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// respondTo answers a packet and unpacks the reply.
func respondTo(t *testing.T, packet []byte, tcp bool) *dns.Msg {
	t.Helper()
	reply := newZone("fairlead.", 3*time.Second).respond(world(), packet, outsider, tcp, make([]byte, 512))
	if reply == nil {
		return nil
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("%x: %v", reply, err)
	}
	return m
}

func TestPacketsThatAreNoQueries(t *testing.T) {
	query := packed(t, question("shop.example.com. A"))
	with := func(at int, value byte) []byte {
		packet := bytes.Clone(query)
		packet[at] = value
		return packet
	}
	twoOPT := question("shop.example.com. A")
	twoOPT.SetEdns0(1232, false)
	answer := question("shop.example.com. A")
	answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: []byte{1, 2, 3, 4}}}
	loop := append(bytes.Clone(query[:12]), 0xc0, 12, 0, 1, 0, 1)
	for _, c := range []struct {
		name   string
		packet []byte
		rcode  int // -1: no answer
	}{
		{"nothing", nil, -1},
		{"half a header", query[:11], -1},
		{"a response", with(2, 0x80), -1},
		{"a response to a notify", with(2, 0xa0), -1},
		{"header alone", query[:12], dns.RcodeFormatError},
		{"cut in the name", query[:20], dns.RcodeFormatError},
		{"cut in the OPT record", query[:len(query)-3], dns.RcodeFormatError},
		{"no question", with(5, 0), dns.RcodeFormatError},
		{"two questions", with(5, 2), dns.RcodeFormatError},
		{"256 questions", with(4, 1), dns.RcodeFormatError},
		{"an answer", packed(t, answer), dns.RcodeFormatError},
		{"two OPT records", packed(t, twoOPT), dns.RcodeFormatError},
		{"a name that points to itself", loop, dns.RcodeFormatError},
		{"inverse query", with(2, 1<<3), dns.RcodeNotImplemented},
		{"status", with(2, 2<<3), dns.RcodeNotImplemented},
		{"notify", with(2, 4<<3), dns.RcodeNotImplemented},
		{"update", with(2, 5<<3), dns.RcodeNotImplemented},
		{"stateful", with(2, 6<<3), dns.RcodeNotImplemented},
		{"a query", query, dns.RcodeSuccess},
	} {
		for _, tcp := range []bool{false, true} {
			m := respondTo(t, c.packet, tcp)
			switch {
			case (m == nil) != (c.rcode < 0):
				t.Errorf("%s: answered with %v", c.name, m)
			case m != nil && (m.Rcode != c.rcode || !m.Response || m.Id != 4711 || m.Opcode != int(c.packet[2]>>3&0xf)):
				t.Errorf("%s: %v", c.name, m.MsgHdr)
			}
		}
	}
}

func TestReplySizes(t *testing.T) {
	for _, c := range []struct {
		name, question string
		size           int // of the OPT record; 0 for none
		tcp            bool
		truncated      bool
		most           int
		answers        int
	}{
		{name: "plain UDP", question: "many.example.com. A", truncated: true, most: 512, answers: 29},
		{name: "tiny EDNS size counts as 512", question: "many.example.com. A", size: 100, truncated: true, most: 512, answers: 29},
		{name: "EDNS size of the client", question: "many.example.com. A", size: 800, truncated: true, most: 800, answers: 47},
		{name: "EDNS size above ours", question: "many.example.com. A", size: 65535, truncated: true, most: 1232, answers: 74},
		{name: "TCP", question: "many.example.com. A", size: 1232, tcp: true, most: 65535, answers: 300},
		{name: "TCP without EDNS", question: "many.example.com. SRV", tcp: true, most: 65535, answers: 300},
		{name: "additional records go first", question: "shop.example.com. SRV", most: 512, answers: 5},
		{name: "SRV above any UDP size", question: "many.example.com. SRV", size: 4096, truncated: true, most: 1232, answers: 28},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := question(c.question)
			req.Extra = nil
			if c.size > 0 {
				req.SetEdns0(uint16(c.size), false)
			}
			m := respondTo(t, packed(t, req), c.tcp)
			m.Compress = true
			if size := len(packed(t, m)); size > c.most {
				t.Errorf("%d bytes, want at most %d", size, c.most)
			}
			if m.Truncated != c.truncated || len(m.Answer) != c.answers {
				t.Errorf("truncated %v with %d answers, want %v with %d", m.Truncated, len(m.Answer), c.truncated, c.answers)
			}
			if (m.IsEdns0() != nil) != (c.size > 0) {
				t.Errorf("OPT record %v", m.IsEdns0())
			}
		})
	}
}

func TestReplyAboveTheLargestMessage(t *testing.T) {
	s := world()
	p := newPool("huge.example.com", "huge", 0)
	for i := range 4000 {
		p.Members = append(p.Members, newMember("10.0.0.1", uint16(i+1), 0, 1))
	}
	p = newPool(p.Name, p.Service, 0, p.Members...)
	s.Clusters[0].Exact[p.Name] = p
	reply := newZone("fairlead.", 3*time.Second).respond(s, packed(t, question("huge.example.com. SRV")), outsider, true, nil)
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil || len(reply) > 65535 || !m.Truncated || len(m.Answer) < 1000 {
		t.Errorf("%d bytes, %v, %d answers, %v", len(reply), m.MsgHdr, len(m.Answer), err)
	}
}

// Whatever comes in: the answer can be read, belongs to the packet, keeps to the size, and shows outsiders nothing of the test cluster.
func FuzzRespond(f *testing.F) {
	for _, q := range []string{"shop.example.com. A", "test.shop.example.com. SRV", "many.example.com. SRV", "0a000001.addr.fairlead. A",
		"test.redis.service.fairlead. ANY", "named.example.com. SRV", "fairlead. SOA", ". NS"} {
		f.Add(packed(f, question(q)), false)
	}
	f.Add([]byte{0, 1, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1}, true)
	z, s := newZone("fairlead.", 3*time.Second), world()
	f.Fuzz(func(t *testing.T, packet []byte, tcp bool) {
		reply := z.respond(s, packet, outsider, tcp, make([]byte, 512))
		if reply == nil {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil {
			t.Fatalf("%x answered with %x: %v", packet, reply, err)
		}
		if m.Id != binary.BigEndian.Uint16(packet) || !m.Response || !tcp && len(reply) > maxUDP {
			t.Fatalf("%x answered with %d bytes: %v", packet, len(reply), m)
		}
		if !bytes.Contains(bytes.ToLower(packet), []byte("0a08")) && strings.Contains(m.String(), "10.8.0.") {
			t.Fatalf("%x answered an outsider with %v", packet, m)
		}
	})
}
