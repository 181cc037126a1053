package route

import (
	"net/netip"
	"strings"
	"testing"
)

func TestIsolation(t *testing.T) {
	s := twins()
	for _, c := range []struct {
		name, host, peer string
		xff, forwarded   []string
		code             Code
		client           string
	}{
		{name: "insider", peer: "10.1.2.3", code: OK, client: "10.1.2.3"},
		{name: "outsider", peer: "198.51.100.7", code: Denied, client: "198.51.100.7"},
		{name: "outsider, upper case", host: "TEST.SHOP.EXAMPLE.COM", peer: "198.51.100.7", code: Denied, client: "198.51.100.7"},
		{name: "outsider, trailing dot", host: "test.shop.example.com.", peer: "198.51.100.7", code: Denied, client: "198.51.100.7"},
		{name: "outsider, port", host: "test.shop.example.com:443", peer: "198.51.100.7", code: Denied, client: "198.51.100.7"},
		{name: "outsider, all three", host: "tEsT.shop.example.com.:443", peer: "198.51.100.7", code: Denied, client: "198.51.100.7"},
		{name: "outsider, prefix twice", host: "test.test.shop.example.com", peer: "198.51.100.7", code: Denied, client: "198.51.100.7"},
		{name: "two dots", host: "test..shop.example.com", peer: "198.51.100.7", code: BadHost, client: "198.51.100.7"},
		{name: "no peer", code: Denied},

		{name: "mapped insider", peer: "::ffff:10.1.2.3", code: OK, client: "10.1.2.3"},
		{name: "mapped outsider", peer: "::ffff:198.51.100.7", code: Denied, client: "198.51.100.7"},
		{name: "IPv6 insider", peer: "fd00::7", code: OK, client: "fd00::7"},
		{name: "IPv6 insider with zone", peer: "fd00::7%eth0", code: OK, client: "fd00::7"},
		{name: "IPv6 outsider", peer: "2001:db8::7", code: Denied, client: "2001:db8::7"},

		{name: "outsider spoofs", peer: "198.51.100.7", xff: []string{"10.1.2.3"}, code: Denied, client: "198.51.100.7"},
		{name: "outsider spoofs Forwarded", peer: "198.51.100.7", forwarded: []string{"for=10.1.2.3"}, code: Denied, client: "198.51.100.7"},
		{name: "insider's proxy tells the truth", peer: "10.1.2.3", xff: []string{"198.51.100.7"}, code: Denied, client: "10.1.2.3"},
		{name: "insider behind insider", peer: "10.1.2.3", xff: []string{"192.168.7.7"}, code: OK, client: "10.1.2.3"},
		{name: "every address counts", peer: "10.1.2.3", xff: []string{"198.51.100.7, 10.4.4.4", "10.5.5.5"}, code: Denied, client: "10.1.2.3"},
		{name: "every line counts", peer: "10.1.2.3", xff: []string{"10.4.4.4", "198.51.100.7"}, code: Denied, client: "10.1.2.3"},
		{name: "both headers count", peer: "10.1.2.3", xff: []string{"10.4.4.4"}, forwarded: []string{"for=198.51.100.7"}, code: Denied, client: "10.1.2.3"},

		{name: "trusted proxy, insider", peer: "203.0.113.1", xff: []string{"10.1.2.3"}, code: OK, client: "10.1.2.3"},
		{name: "trusted proxy, outsider", peer: "203.0.113.1", xff: []string{"198.51.100.7"}, code: Denied, client: "198.51.100.7"},
		{name: "trusted proxy, outsider spoofs", peer: "203.0.113.1", xff: []string{"10.1.2.3, 198.51.100.7"}, code: Denied, client: "198.51.100.7"},
		{name: "trusted proxy, spoofed line of its own", peer: "203.0.113.1", xff: []string{"10.1.2.3", "198.51.100.7"}, code: Denied, client: "198.51.100.7"},
		{name: "trusted proxy, spoofed other header", peer: "203.0.113.1", xff: []string{"198.51.100.7"}, forwarded: []string{"for=10.1.2.3"}, code: Denied, client: "198.51.100.7"},
		{name: "two trusted proxies, insider", peer: "203.0.113.1", xff: []string{"10.1.2.3, 203.0.113.2"}, code: OK, client: "10.1.2.3"},
		{name: "two trusted proxies, outsider", peer: "203.0.113.1", xff: []string{"198.51.100.7, 203.0.113.2"}, code: Denied, client: "198.51.100.7"},
		{name: "trusted proxy, Forwarded", peer: "203.0.113.1", forwarded: []string{`proto=https;for="10.1.2.3:555";by=203.0.113.1`}, code: OK, client: "10.1.2.3"},
		{name: "trusted proxy, Forwarded, IPv6", peer: "203.0.113.1", forwarded: []string{`For="[FD00::7]:_p"`}, code: OK, client: "fd00::7"},
		{name: "trusted proxy, Forwarded beside own chain", peer: "203.0.113.1", xff: []string{"203.0.113.2"}, forwarded: []string{`for=10.1.2.3`}, code: OK, client: "10.1.2.3"},

		{name: "trusted proxy alone, not on the list", peer: "203.0.113.1", code: Denied, client: "203.0.113.1"},
		{name: "trusted proxy alone, on the list", peer: "10.9.0.1", code: OK, client: "10.9.0.1"},
		{name: "trusted proxy behind trusted proxy, on the list", peer: "203.0.113.1", xff: []string{"10.9.0.1, 203.0.113.2"}, code: OK, client: "10.9.0.1"},
		{name: "trusted proxy behind trusted proxy, not on the list", peer: "10.9.0.1", xff: []string{"203.0.113.1, 10.9.0.2"}, code: Denied, client: "203.0.113.1"},
		{name: "trusted proxy names nobody", peer: "203.0.113.1", xff: []string{" ", ","}, code: Denied, client: "203.0.113.1"},
		{name: "mapped trusted proxy, insider", peer: "::ffff:203.0.113.1", xff: []string{"::ffff:10.1.2.3"}, code: OK, client: "10.1.2.3"},
		{name: "outsider claims a trusted proxy's address", peer: "198.51.100.7", xff: []string{"203.0.113.1"}, code: Denied, client: "198.51.100.7"},

		{name: "unknown", peer: "10.1.2.3", xff: []string{"unknown"}, code: BadChain, client: "10.1.2.3"},
		{name: "unknown in Forwarded", peer: "10.1.2.3", forwarded: []string{"for=unknown"}, code: BadChain, client: "10.1.2.3"},
		{name: "obfuscated", peer: "10.1.2.3", forwarded: []string{"for=_hidden"}, code: BadChain, client: "10.1.2.3"},
		{name: "garbage", peer: "10.1.2.3", xff: []string{"10.1.2.3, <script>"}, code: BadChain, client: "10.1.2.3"},
		{name: "garbage before insider", peer: "203.0.113.1", xff: []string{"garbage, 10.1.2.3"}, code: BadChain, client: "10.1.2.3"},
		{name: "insider before garbage", peer: "203.0.113.1", xff: []string{"10.1.2.3, garbage"}, code: BadChain, client: "203.0.113.1"},
		{name: "leading zeros", peer: "10.1.2.3", xff: []string{"010.1.2.3"}, code: BadChain, client: "10.1.2.3"},
		{name: "decimal address", peer: "10.1.2.3", xff: []string{"167838211"}, code: BadChain, client: "10.1.2.3"},
		{name: "host name", peer: "10.1.2.3", xff: []string{"localhost"}, code: BadChain, client: "10.1.2.3"},
		{name: "bad port", peer: "10.1.2.3", xff: []string{"10.1.2.3:http"}, code: BadChain, client: "10.1.2.3"},
		{name: "open bracket", peer: "10.1.2.3", xff: []string{"[fd00::1"}, code: BadChain, client: "10.1.2.3"},
		{name: "global address with zone", peer: "10.1.2.3", xff: []string{"fd00::1%eth0"}, code: BadChain, client: "10.1.2.3"},
		{name: "open quote swallows the proxy's word", peer: "203.0.113.1", forwarded: []string{`for="10.1.2.3, for=198.51.100.7`}, code: BadChain, client: "203.0.113.1"},
		{name: "open quote in another pair", peer: "203.0.113.1", forwarded: []string{`for=10.1.2.3;x=", for="[2001:db8::7]"`}, code: BadChain, client: "203.0.113.1"},
		{name: "open quote on a line of its own", peer: "203.0.113.1", forwarded: []string{`for="10.1.2.3`, `for=198.51.100.7`}, code: BadChain, client: "198.51.100.7"},
		{name: "two for in one element", peer: "203.0.113.1", forwarded: []string{`for=198.51.100.7;for=10.1.2.3`}, code: Denied, client: "203.0.113.1"},
		{name: "ports and brackets", peer: "10.1.2.3", xff: []string{"10.1.1.1:80, [fd00::1]:80,[fd00::2], fd00::3"}, code: OK, client: "10.1.2.3"},

		{name: "live takes an outsider", host: "shop.example.com", peer: "198.51.100.7", code: OK, client: "198.51.100.7"},
		{name: "live takes a bad chain", host: "shop.example.com", peer: "198.51.100.7", xff: []string{"unknown"}, code: OK, client: "198.51.100.7"},
		{name: "live behind a trusted proxy", host: "shop.example.com", peer: "203.0.113.1", xff: []string{"10.1.1.1, 198.51.100.7, 203.0.113.2"}, code: OK, client: "198.51.100.7"},
		{name: "live, spoofed by its client", host: "shop.example.com", peer: "198.51.100.7", xff: []string{"10.1.1.1"}, code: OK, client: "198.51.100.7"},
		{name: "live, garbage nearer than the address", host: "shop.example.com", peer: "203.0.113.1", xff: []string{"10.1.1.1, unknown, 203.0.113.2"}, code: OK, client: "203.0.113.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := Ask{Host: c.host, XForwardedFor: c.xff, Forwarded: c.forwarded}
			if a.Host == "" {
				a.Host = "test.shop.example.com"
			}
			if c.peer != "" {
				a.Peer = netip.MustParseAddr(c.peer)
			}
			d := Decide(s, a)
			client := ""
			if d.Client.IsValid() {
				client = d.Client.String()
			}
			if d.Code != c.code || client != c.client {
				t.Errorf("%s, client %s; want %s, %s (%s)", d.Code, client, c.code, c.client, d.Reason())
			}
			if d.Pool != nil && d.Code != OK {
				t.Errorf("a refusal carries pool %s", d.Pool.Name)
			}
		})
	}
}

// TestEarlyData: until a client's address is proven, a cluster with an access list is for nobody, and other clusters do not mind.
func TestEarlyData(t *testing.T) {
	s := twins()
	for _, c := range []struct {
		host string
		peer netip.Addr
		xff  []string
		code Code
	}{
		{"test.shop.example.com", insider, nil, TooEarly},
		{"test.nobody.example.com", insider, nil, TooEarly},
		{"test.shop.example.com", outsider, nil, TooEarly},
		{"test.shop.example.com", netip.MustParseAddr("203.0.113.1"), []string{"10.1.2.3"}, TooEarly},
		{"shop.example.com", outsider, []string{"10.1.2.3"}, OK},
	} {
		d := Decide(s, Ask{Host: c.host, Peer: c.peer, XForwardedFor: c.xff, Early: true})
		if d.Code != c.code || (d.Pool == nil) != (c.code != OK) || c.code == TooEarly && !strings.Contains(d.Reason(), "handshake") {
			t.Errorf("%s from %s: %s (%s), want %s", c.host, c.peer, d.Code, d.Reason(), c.code)
		}
	}
}

func TestEmptyAccessListAllowsNobody(t *testing.T) {
	s := twins()
	s.Clusters[0].Allow = []netip.Prefix{}
	if d := Decide(s, Ask{Host: "test.shop.example.com", Peer: insider}); d.Code != Denied {
		t.Errorf("got %s", d.Code)
	}
}

// Whole private networks are often both trusted and allowed; then trust must not lock their clients out.
func TestNetworksBothTrustedAndAllowed(t *testing.T) {
	s := twins()
	s.Trusted = append([]netip.Prefix(nil), s.Clusters[0].Allow...)
	for _, c := range []struct {
		peer string
		xff  []string
		code Code
	}{
		{"10.1.2.3", nil, OK},
		{"10.9.0.1", []string{"10.1.2.3"}, OK},
		{"10.9.0.1", []string{"198.51.100.7"}, Denied},
		{"10.9.0.1", []string{"10.1.2.3, 198.51.100.7"}, Denied},
		{"198.51.100.7", []string{"10.1.2.3"}, Denied},
	} {
		d := Decide(s, Ask{Host: "test.shop.example.com", Peer: netip.MustParseAddr(c.peer), XForwardedFor: c.xff})
		if d.Code != c.code {
			t.Errorf("%s with %q: %s, want %s", c.peer, c.xff, d.Code, c.code)
		}
	}
}
