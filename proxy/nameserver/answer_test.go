package nameserver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/fairlead/fairlead/proxy/pool"
)

const (
	soaTail = " ns.fairlead. hostmaster.fairlead. 7 3600 600 86400 3"
	zoneSOA = "auth fairlead. SOA" + soaTail
)

func TestAnswer(t *testing.T) {
	z := newZone("Fairlead", 3*time.Second)
	s := world()
	for _, c := range []struct {
		question string
		client   netip.Addr
		want     []string
	}{
		// Domains.
		{"shop.example.com. A", outsider, []string{"NOERROR aa", "shop.example.com. A 10.0.0.1", "shop.example.com. A 10.0.0.2", "shop.example.com. A 10.0.0.3"}},
		{"sHoP.eXample.COM. A", outsider, []string{"NOERROR aa", "sHoP.eXample.COM. A 10.0.0.1", "sHoP.eXample.COM. A 10.0.0.2", "sHoP.eXample.COM. A 10.0.0.3"}},
		{"shop.example.com. AAAA", outsider, []string{"NOERROR aa", "shop.example.com. AAAA 2001:db8::1"}},
		{"shop.example.com. SRV", outsider, []string{"NOERROR aa",
			"shop.example.com. SRV 0 1 32768 0a000001.addr.fairlead.", "shop.example.com. SRV 0 1 32771 0a000001.addr.fairlead.",
			"shop.example.com. SRV 0 3 32769 0a000002.addr.fairlead.", "shop.example.com. SRV 0 65535 32772 0a000003.addr.fairlead.",
			"shop.example.com. SRV 0 1 32770 20010db8000000000000000000000001.addr.fairlead.",
			"extra 0a000001.addr.fairlead. A 10.0.0.1", "extra 0a000002.addr.fairlead. A 10.0.0.2", "extra 0a000003.addr.fairlead. A 10.0.0.3",
			"extra 20010db8000000000000000000000001.addr.fairlead. AAAA 2001:db8::1"}},
		{"shop.example.com. MX", outsider, []string{"NOERROR aa", "auth shop.example.com. SOA" + soaTail}},
		{"Shop.example.com. SOA", outsider, []string{"NOERROR aa", "Shop.example.com. SOA" + soaTail}},
		{"shop.example.com. ANY", outsider, []string{"NOERROR aa", `shop.example.com. HINFO "RFC8482" ""`}},
		{"a.wild.example.com. A", outsider, []string{"NOERROR aa", "a.wild.example.com. A 10.0.0.8"}},
		{"wild.example.com. A", outsider, []string{"REFUSED"}},

		// Groups that have joined, and those that have not.
		{"db.example.com. A", outsider, []string{"NOERROR aa", "db.example.com. A 10.0.0.4", "db.example.com. A 10.0.0.5"}},
		{"db.example.com. SRV", outsider, []string{"NOERROR aa",
			"db.example.com. SRV 0 1 6379 0a000004.addr.fairlead.", "db.example.com. SRV 1 2 6379 0a000005.addr.fairlead.",
			"extra 0a000004.addr.fairlead. A 10.0.0.4", "extra 0a000005.addr.fairlead. A 10.0.0.5"}},
		{"master.example.com. A", outsider, []string{"NOERROR aa", "master.example.com. A 10.0.0.4"}},
		{"down.example.com. A", outsider, []string{"NOERROR aa", "auth down.example.com. SOA" + soaTail}},
		{"down.example.com. SRV", outsider, []string{"NOERROR aa", "auth down.example.com. SOA" + soaTail}},

		// Members with host names.
		{"named.example.com. A", outsider, []string{"NOERROR aa", "named.example.com. A 10.0.0.7"}},
		{"named.example.com. SRV", outsider, []string{"NOERROR aa",
			"named.example.com. SRV 0 1 81 0a000007.addr.fairlead.", "named.example.com. SRV 0 1 80 backend.example.net.",
			"extra 0a000007.addr.fairlead. A 10.0.0.7"}},

		// Services by name.
		{"redis.service.fairlead. A", outsider, []string{"NOERROR aa", "redis.service.fairlead. A 10.0.0.10"}},
		{"Redis.Service.FairLead. A", outsider, []string{"NOERROR aa", "Redis.Service.FairLead. A 10.0.0.10"}},
		{"redis.service.fairlead. AAAA", outsider, []string{"NOERROR aa", zoneSOA}},
		{"redis.service.fairlead. SRV", outsider, []string{"NOERROR aa", "redis.service.fairlead. SRV 0 1 6379 0a00000a.addr.fairlead.", "extra 0a00000a.addr.fairlead. A 10.0.0.10"}},
		{"shop.example.com.service.fairlead. AAAA", outsider, []string{"NOERROR aa", "shop.example.com.service.fairlead. AAAA 2001:db8::1"}},
		{"down.example.com.service.fairlead. A", outsider, []string{"NOERROR aa", zoneSOA}},
		{"nobody.service.fairlead. A", outsider, []string{"NXDOMAIN aa", zoneSOA}},
		{"fresh.redis.service.fairlead. A", outsider, []string{"SERVFAIL"}},

		// The zone itself.
		{"fairlead. SOA", outsider, []string{"NOERROR aa", "fairlead. SOA" + soaTail}},
		{"fairlead. A", outsider, []string{"NOERROR aa", zoneSOA}},
		{"service.fairlead. A", outsider, []string{"NOERROR aa", zoneSOA}},
		{"addr.fairlead. ANY", outsider, []string{"NOERROR aa", `addr.fairlead. HINFO "RFC8482" ""`}},
		{"nobody.FAIRlead. A", outsider, []string{"NXDOMAIN aa", "auth FAIRlead. SOA" + soaTail}},
		{`redis\.service.fairlead. A`, outsider, []string{"NXDOMAIN aa", zoneSOA}},
		{"xfairlead. A", outsider, []string{"REFUSED"}},
		{"0a000001.addr.fairlead. A", outsider, []string{"NOERROR aa", "0a000001.addr.fairlead. A 10.0.0.1"}},
		{"0A000001.ADDR.fairlead. A", outsider, []string{"NOERROR aa", "0A000001.ADDR.fairlead. A 10.0.0.1"}},
		{"0a000001.addr.fairlead. AAAA", outsider, []string{"NOERROR aa", zoneSOA}},
		{"0a000001.addr.fairlead. SRV", outsider, []string{"NOERROR aa", zoneSOA}},
		{"20010db8000000000000000000000001.addr.fairlead. AAAA", outsider, []string{"NOERROR aa", "20010db8000000000000000000000001.addr.fairlead. AAAA 2001:db8::1"}},
		{"0a0001.addr.fairlead. A", outsider, []string{"NXDOMAIN aa", zoneSOA}},
		{"x.0a000001.addr.fairlead. A", outsider, []string{"NXDOMAIN aa", zoneSOA}},

		// The test cluster, for its clients and for others.
		{"test.shop.example.com. A", insider, []string{"NOERROR aa", "test.shop.example.com. A 10.8.0.1"}},
		{"Test.shop.example.com. A", netip.MustParseAddr("::ffff:10.1.2.3"), []string{"NOERROR aa", "Test.shop.example.com. A 10.8.0.1"}},
		{"test.redis.service.fairlead. A", insider, []string{"NOERROR aa", "test.redis.service.fairlead. A 10.8.0.2"}},
		{"test.shop.example.com. A", outsider, []string{"NXDOMAIN aa", "auth test.shop.example.com. SOA" + soaTail}},
		{"test.shop.example.com. SRV", outsider, []string{"NXDOMAIN aa", "auth test.shop.example.com. SOA" + soaTail}},
		{"test.shop.example.com. ANY", outsider, []string{"NXDOMAIN aa", "auth test.shop.example.com. SOA" + soaTail}},
		{"test.shop.example.com. SOA", outsider, []string{"NXDOMAIN aa", "auth test.shop.example.com. SOA" + soaTail}},
		{"test.nobody.example.com. A", outsider, []string{"NXDOMAIN aa", "auth test.nobody.example.com. SOA" + soaTail}},
		{"test.nobody.example.com. A", insider, []string{"NXDOMAIN aa", "auth test.nobody.example.com. SOA" + soaTail}},
		{"test.redis.service.fairlead. A", outsider, []string{"NXDOMAIN aa", zoneSOA}},
		{"test.nobody.service.fairlead. A", outsider, []string{"NXDOMAIN aa", zoneSOA}},
		{"test.db.example.com. A", insider, []string{"NXDOMAIN aa", "auth test.db.example.com. SOA" + soaTail}},

		// The edge's addresses.
		{"front.shop.example.com. A", outsider, []string{"NOERROR aa", "front.shop.example.com. A 192.0.2.1", "front.shop.example.com. A 192.0.2.2"}},
		{"front.shop.example.com. AAAA", outsider, []string{"NOERROR aa", "front.shop.example.com. AAAA 2001:db8::e"}},
		{"front.shop.example.com. SRV", outsider, []string{"NOERROR aa", "front.shop.example.com. SRV 0 1 32768 0a090001.addr.fairlead.", "extra 0a090001.addr.fairlead. A 10.9.0.1"}},
		{"front.down.example.com. A", outsider, []string{"NOERROR aa", "front.down.example.com. A 192.0.2.1", "front.down.example.com. A 192.0.2.2"}},
		{"front.nobody.example.com. A", outsider, []string{"NXDOMAIN aa", "auth front.nobody.example.com. SOA" + soaTail}},
		{"front.shop.example.com.service.fairlead. A", outsider, []string{"NOERROR aa", "front.shop.example.com.service.fairlead. A 10.9.0.1"}},

		// What is not ours, not ready, or not to be had.
		{"nobody.example.com. A", outsider, []string{"REFUSED"}},
		{"com. NS", outsider, []string{"REFUSED"}},
		{". NS", outsider, []string{"REFUSED"}},
		{"*.example.com. A", outsider, []string{"REFUSED"}},
		{`shop\.example.com. A`, outsider, []string{"REFUSED"}},
		{"shop.example.com:80. A", outsider, []string{"REFUSED"}},
		{"fresh.shop.example.com. A", outsider, []string{"SERVFAIL"}},
		{"shop.example.com. AXFR", outsider, []string{"REFUSED"}},
		{"fairlead. IXFR", outsider, []string{"REFUSED"}},
		{"shop.example.com. MAILB", outsider, []string{"REFUSED"}},
		{"shop.example.com. TKEY", outsider, []string{"REFUSED"}},
		{"shop.example.com. OPT", outsider, []string{"REFUSED"}},
	} {
		t.Run(c.question, func(t *testing.T) {
			req := question(c.question)
			got := z.answer(s, req, c.client, 0)
			if text := digest(t, got); text != strings.Join(c.want, "\n") {
				t.Errorf("from %s:\n%s\nwant:\n%s", c.client, text, strings.Join(c.want, "\n"))
			}
			if _, err := got.Pack(); err != nil {
				t.Error(err)
			}
			if opt := got.IsEdns0(); opt == nil || opt.UDPSize() != maxUDP || opt.Version() != 0 {
				t.Errorf("OPT record %v", opt)
			}
		})
	}
}

func TestAnswerInAZoneOfDelegatedDomains(t *testing.T) {
	z := newZone("example.com.", 3*time.Second)
	for ask, want := range map[string]string{
		"shop.example.com. AAAA":    "NOERROR aa\nshop.example.com. AAAA 2001:db8::1",
		"shop.example.com. MX":      "NOERROR aa\nauth example.com. SOA ns.example.com. hostmaster.example.com. 7 3600 600 86400 3",
		"shop.example.com. SOA":     "NOERROR aa\nauth example.com. SOA ns.example.com. hostmaster.example.com. 7 3600 600 86400 3",
		"nobody.example.com. A":     "NXDOMAIN aa\nauth example.com. SOA ns.example.com. hostmaster.example.com. 7 3600 600 86400 3",
		"a*b.example.com. A":        "NXDOMAIN aa\nauth example.com. SOA ns.example.com. hostmaster.example.com. 7 3600 600 86400 3",
		"test.shop.example.com. A":  "NXDOMAIN aa\nauth example.com. SOA ns.example.com. hostmaster.example.com. 7 3600 600 86400 3",
		"fresh.shop.example.com. A": "SERVFAIL",
		"nobody.example.org. A":     "REFUSED",
	} {
		if got := digest(t, z.answer(world(), question(ask), outsider, 0)); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", ask, got, want)
		}
	}
}

func TestOutsidersGetTheSameForAllNamesOfACluster(t *testing.T) {
	z, s := newZone("fairlead.", 3*time.Second), world()
	for _, qtype := range []string{"A", "AAAA", "SRV", "ANY", "SOA", "TXT", "NS", "DS"} {
		exists := digest(t, z.answer(s, question("test.shop.example.com. "+qtype), outsider, 1))
		not := digest(t, z.answer(s, question("test.nope.example.com. "+qtype), outsider, 2))
		if strings.ReplaceAll(exists, "shop", "nope") != not {
			t.Errorf("%s:\n%s\nbut:\n%s", qtype, exists, not)
		}
	}
}

// TestAnswerMindsLimits: a group that joins because those above are full is answered while they are.
func TestAnswerMindsLimits(t *testing.T) {
	master, slave := newMember("10.0.0.4", 6379, 10, 1), newMember("10.0.0.5", 6379, 9, 1)
	p := newPool("db.example.com", "db.example.com", 0, master, slave)
	p.Spec.MemberMaxConns, master.Limit, slave.Limit = 2, 2, 2
	s := &pool.Snapshot{Clusters: []*pool.Cluster{newCluster("live", "", nil, p)}}
	z := newZone("fairlead.", 3*time.Second)
	for _, c := range []struct {
		inFlight int64
		want     int
	}{{1, 1}, {2, 2}, {1, 1}} {
		master.Meter.InFlight.Store(c.inFlight)
		if got := z.answer(s, question("db.example.com. SRV"), outsider, 0); len(got.Answer) != c.want {
			t.Errorf("with %d in flight at the master: %d members are answered, want %d", c.inFlight, len(got.Answer), c.want)
		}
	}
}

func TestAnswerRotates(t *testing.T) {
	z, s := newZone("fairlead.", 3*time.Second), world()
	first := map[string]int{}
	for turn := range uint32(6) {
		m := z.answer(s, question("shop.example.com. A"), outsider, turn)
		if len(m.Answer) != 3 {
			t.Fatalf("turn %d: %d records", turn, len(m.Answer))
		}
		first[m.Answer[0].(*dns.A).A.String()]++
		m = z.answer(s, question("db.example.com. SRV"), outsider, turn)
		if m.Answer[0].(*dns.SRV).Priority != 0 || m.Answer[1].(*dns.SRV).Priority != 1 {
			t.Errorf("turn %d breaks the order of the groups: %v", turn, m.Answer)
		}
	}
	for _, addr := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		if first[addr] != 2 {
			t.Errorf("%s came first %d times of 6", addr, first[addr])
		}
	}
	if edge := s.Clusters[2].DNS.Edge; edge[0] != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("answering changed the snapshot: %v", edge)
	}
}

func TestAnswerFlagsAndEDNS(t *testing.T) {
	z, s := newZone("fairlead.", 3*time.Second), world()
	req := question("shop.example.com. A")
	req.CheckingDisabled, req.RecursionDesired = true, true
	req.IsEdns0().SetDo()
	m := z.answer(s, req, outsider, 0)
	if !m.Response || m.Id != 4711 || !m.RecursionDesired || !m.CheckingDisabled || m.RecursionAvailable || m.AuthenticatedData || !m.IsEdns0().Do() {
		t.Errorf("flags %v, OPT %v", m.MsgHdr, m.IsEdns0())
	}
	req.IsEdns0().SetVersion(1)
	if m := z.answer(s, req, outsider, 0); m.Rcode != dns.RcodeBadVers || m.IsEdns0().Version() != 0 || len(m.Answer) != 0 {
		t.Errorf("EDNS version 1: %v", m)
	}
	plain := new(dns.Msg).SetQuestion("shop.example.com.", dns.TypeA)
	if m := z.answer(s, plain, outsider, 0); m.IsEdns0() != nil || m.RecursionDesired != true {
		t.Errorf("without OPT: %v", m)
	}
	for _, class := range []uint16{dns.ClassCHAOS, dns.ClassHESIOD, dns.ClassANY, dns.ClassNONE} {
		plain.Question[0].Qclass = class
		if m := z.answer(s, plain, outsider, 0); m.Rcode != dns.RcodeRefused {
			t.Errorf("class %d: %s", class, dns.RcodeToString[m.Rcode])
		}
	}
}
