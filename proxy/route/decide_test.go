package route

import (
	"net/netip"
	"testing"

	"github.com/fairlead/fairlead/proxy/pool"
)

var (
	insider  = netip.MustParseAddr("10.1.2.3")
	outsider = netip.MustParseAddr("198.51.100.7")
	stager   = netip.MustParseAddr("172.16.0.9")
)

func TestDecideFindsTheDomain(t *testing.T) {
	s := twins()
	for _, c := range []struct {
		name, host string
		peer       netip.Addr
		code       Code
		cluster    string
		service    string
	}{
		{"exact", "shop.example.com", outsider, OK, "live", "shop.example.com"},
		{"case, dot and port", "SHOP.Example.com.:8080", outsider, OK, "live", "shop.example.com"},
		{"wildcard", "blog.example.com", outsider, OK, "live", "all"},
		{"nearer wildcard", "a.shop.example.com", outsider, OK, "live", "deep"},
		{"wildcard covers one label only", "a.blog.example.com", outsider, NoDomain, "live", ""},
		{"wildcard does not cover its parent", "example.com", outsider, NoDomain, "live", ""},
		{"exact beats wildcard even when down", "down.example.com", outsider, NoMember, "live", "down.example.com"},
		{"unknown", "nobody.org", outsider, NoDomain, "live", ""},
		{"empty", "", outsider, NoDomain, "live", ""},
		{"IPv4 literal", "192.0.2.1:80", outsider, NoDomain, "live", ""},
		{"IPv6 literal", "[2001:db8::1]:80", outsider, NoDomain, "live", ""},
		{"no host name", "shop example.com", outsider, BadHost, "", ""},
		{"U-label", "täst.example.com", outsider, BadHost, "", ""},

		{"twin", "test.shop.example.com", insider, OK, "test", "shop.example.com"},
		{"twin in another case", "Test.Shop.Example.COM", insider, OK, "test", "shop.example.com"},
		{"full name beats stripped name", "test.full.example.com", insider, OK, "test", "test.full.example.com"},
		{"stripped wildcard", "test.a.twin.org", insider, OK, "test", "twins"},
		{"wildcard under the prefix covers one label only", "test.a.b.twin.org", insider, NoDomain, "test", ""},
		{"live wildcard never matches a prefixed name", "test.example.com", insider, NoDomain, "test", ""},
		{"nor a deeper one", "test.blog.example.com", insider, NoDomain, "test", ""},
		{"no fall-back to live", "test.only.live.org", insider, NoDomain, "test", ""},
		{"no fall-back from live", "full.example.com", insider, OK, "live", "all"},
		{"nobody up", "test.down.example.com", insider, NoMember, "test", "down.example.com"},
		{"prefix inside a label is none", "testshop.example.com", outsider, OK, "live", "all"},
		{"prefix alone is a name", "test.", outsider, NoDomain, "live", ""},

		{"longest prefix", "stage.test.shop.example.com", stager, OK, "stage", "shop.example.com"},
		{"longest prefix does not fall back to the shorter", "stage.test.full.example.com", stager, NoDomain, "stage", ""},
		{"each cluster has its own list", "stage.test.shop.example.com", insider, Denied, "stage", ""},
		{"in the other direction", "test.shop.example.com", stager, Denied, "test", ""},

		{"no facts", "fresh.shop.example.com", insider, ClusterUnready, "fresh", ""},
		{"no facts, outsider", "fresh.shop.example.com", outsider, Denied, "fresh", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(s, Ask{Host: c.host, Peer: c.peer})
			cluster, service := found(&d)
			if d.Code != c.code || cluster != c.cluster || service != c.service {
				t.Errorf("%q from %s: %s, cluster %q, service %q; want %s, %q, %q",
					c.host, c.peer, d.Code, cluster, service, c.code, c.cluster, c.service)
			}
			if d.Reason() == "" || d.Code.Status() == 500 {
				t.Errorf("%q has reason %q and status %d", c.host, d.Reason(), d.Code.Status())
			}
		})
	}
}

func found(d *Decision) (cluster, service string) {
	if d.Cluster != nil {
		cluster = d.Cluster.Name
	}
	if d.Pool != nil {
		service = d.Pool.Service
	}
	return cluster, service
}

func TestDecideWithoutAClusterForTheRest(t *testing.T) {
	s := &pool.Snapshot{Clusters: twins().Clusters[:1]}
	d := Decide(s, Ask{Host: "shop.example.com", Peer: insider, XForwardedFor: []string{"unknown"}})
	if d.Code != NoDomain || d.Cluster != nil || d.Domain != "shop.example.com" {
		t.Errorf("got %s, cluster %v, domain %q", d.Code, d.Cluster, d.Domain)
	}
	if d := Decide(new(pool.Snapshot), Ask{Host: "shop.example.com"}); d.Code != NoDomain {
		t.Errorf("empty snapshot: %s", d.Code)
	}
}

func TestDecideService(t *testing.T) {
	s := twins()
	for _, c := range []struct {
		host    string
		peer    netip.Addr
		code    Code
		service string
	}{
		{"deep", outsider, OK, "deep"},
		{"DEEP", outsider, OK, "deep"},
		{"test.behind", insider, OK, "behind"},
		{"test.behind", outsider, Denied, ""},
		{"test.nothing", outsider, Denied, ""},
		{"test.deep", insider, NoDomain, ""},
		{"behind", insider, NoDomain, ""},
		{"test.test.full.example.com", insider, OK, "test.full.example.com"},
		{"test.full.example.com", insider, OK, "test.full.example.com"},
	} {
		d := DecideService(s, Ask{Host: c.host, Peer: c.peer})
		if _, service := found(&d); d.Code != c.code || service != c.service {
			t.Errorf("%s from %s: %s, service %q; want %s, %q", c.host, c.peer, d.Code, service, c.code, c.service)
		}
	}
}

func TestOutsidersCannotTellNamesThatExist(t *testing.T) {
	s := twins()
	exists := Decide(s, Ask{Host: "test.shop.example.com", Peer: outsider})
	for _, host := range []string{"test.nothing.example.com", "test.down.example.com", "test.a.twin.org", "test.x"} {
		d := Decide(s, Ask{Host: host, Peer: outsider})
		if d.Code != exists.Code || d.Pool != nil || d.Reason() != exists.Reason() {
			t.Errorf("%s: %s %q; an existing name gets %s %q", host, d.Code, d.Reason(), exists.Code, exists.Reason())
		}
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	s := twins()
	for name, a := range map[string]Ask{
		"live":       {Host: "shop.example.com:8080", Peer: outsider},
		"wildcard":   {Host: "a.example.com", Peer: outsider},
		"test":       {Host: "test.shop.example.com", Peer: insider},
		"test chain": {Host: "test.shop.example.com", Peer: insider, XForwardedFor: []string{"10.2.2.2, 192.168.3.4", "10.9.9.9"}, Forwarded: []string{`for="[fd00::1]:80";proto=https, for=10.1.1.1`}},
		"denied":     {Host: "test.shop.example.com", Peer: outsider},
	} {
		var d Decision
		if n := testing.AllocsPerRun(100, func() { d = Decide(s, a) }); n != 0 {
			t.Errorf("%s (%s): %v allocations", name, d.Code, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	s := twins()
	for _, a := range []Ask{
		{Host: "shop.example.com:8080", Peer: outsider},
		{Host: "test.shop.example.com", Peer: insider, XForwardedFor: []string{"10.2.2.2"}},
	} {
		b.Run(a.Host, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := Decide(s, a); d.Code != OK {
					b.Fatal(d.Reason())
				}
			}
		})
	}
}
