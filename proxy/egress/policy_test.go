package egress_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/fairlead/fairlead/proxy/egress"
)

func TestPolicy(t *testing.T) {
	p := egress.NewPolicy(
		[]netip.AddrPort{
			netip.MustParseAddrPort("0.0.0.0:8080"), netip.MustParseAddrPort("127.0.0.1:2019"),
			netip.MustParseAddrPort("[::ffff:10.0.0.1]:8500"), netip.MustParseAddrPort("[::]:8443"),
		},
		[]netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("2001:db8::7")},
	)
	for addr, refused := range map[string]bool{
		"10.0.0.9:8080": false, "192.0.2.1:80": false, "[2001:db8::9]:8080": false, "127.0.0.1:32768": false, "[::1]:32768": false,
		"0.0.0.0:80": true, "[::]:80": true, "[::ffff:0.0.0.0]:80": true, "0.1.2.3:80": true,
		"224.0.0.1:80": true, "[ff02::1]:80": true, "255.255.255.255:80": true, "240.0.0.1:80": true,
		"169.254.169.254:80": true, "[::ffff:169.254.169.254]:80": true, "[fe80::1]:80": true, "[fe80::1%eth0]:80": true, "[fd00:ec2::254]:80": true,
		"10.0.0.9:0":     true,
		"127.0.0.1:2019": true, "127.0.0.2:2019": false, "10.0.0.1:8500": true, "10.0.0.1:8501": false,
		"127.0.0.1:8080": true, "127.1.2.3:8080": true, "[::1]:8080": true, "10.0.0.7:8080": true, "[2001:db8::7]:8080": true, "[::ffff:10.0.0.7]:8443": true,
		"10.0.0.7:8081": false,
	} {
		if reason := p.Refusal(netip.MustParseAddrPort(addr)); (reason != "") != refused {
			t.Errorf("%s: %q", addr, reason)
		}
	}
}

// The address counts that is connected to, whatever name it was found by.
func TestDialJudgesWhatANameResolvesTo(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	here := ln.Addr().(*net.TCPAddr).AddrPort()
	there := netip.AddrPortFrom(netip.IPv6Loopback(), here.Port())
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	transport := egress.New(egress.Options{})
	to := egress.Target{ID: "a", Addr: net.JoinHostPort("localhost", port)}
	c, err := transport.Dial(t.Context(), &to)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	transport.SetPolicy(egress.NewPolicy([]netip.AddrPort{here, there}, nil))
	var forbidden *egress.ForbiddenError
	if c, err := transport.Dial(t.Context(), &to); !errors.As(err, &forbidden) {
		t.Errorf("dialling ourselves by name: %v, %v", c, err)
	}
	if transport.Refuses(here) == "" || transport.Refuses(netip.MustParseAddrPort("192.0.2.1:80")) != "" {
		t.Error("Refuses differs from what Dial does")
	}
}
