package message_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/message"
)

func TestForwarding(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		name string
		message.Forwarding
		want []string // the values of X-Forwarded-For, -Proto, -Host and Forwarded
	}{
		{"IPv4", message.Forwarding{Peer: v4, Host: "a.example.com"},
			[]string{"192.0.2.1", "http", "a.example.com", "for=192.0.2.1;host=a.example.com;proto=http"}},
		{"IPv6 with a zone, TLS and a port", message.Forwarding{Peer: v6.WithZone("eth0"), Host: "a.example.com:8443", Secure: true},
			[]string{"2001:db8::1", "https", "a.example.com:8443", `for="[2001:db8::1]";host="a.example.com:8443";proto=https`}},
		{"Unix socket", message.Forwarding{Host: "a"}, []string{"unknown", "http", "a", "for=unknown;host=a;proto=http"}},
		{"no host", message.Forwarding{Peer: v4}, []string{"192.0.2.1", "http", "", `for=192.0.2.1;host="";proto=http`}},
		{"quotes", message.Forwarding{Peer: v4, Host: `a"\b`}, []string{"192.0.2.1", "http", `a"\b`, `for=192.0.2.1;host="a\"\\b";proto=http`}},
		{"behind a trusted proxy", message.Forwarding{
			Peer: v4, Host: "inner", For: []string{"198.51.100.7", "", "10.0.0.1, 10.0.0.2"}, Proto: []string{"https", "ftp"},
			GivenHost: []string{"outer"}, Forwarded: []string{"for=198.51.100.7", "for=10.0.0.1"},
		}, []string{"198.51.100.7, 10.0.0.1, 10.0.0.2, 192.0.2.1", "https", "outer",
			"for=198.51.100.7, for=10.0.0.1, for=192.0.2.1;host=inner;proto=http"}},
		{"what cannot be sent is dropped", message.Forwarding{
			Peer: v4, Host: "inner", For: []string{"a\r\nX-Evil: 1"}, Proto: []string{"\x00"}, GivenHost: []string{""}, Forwarded: []string{"for=\n"},
		}, []string{"192.0.2.1", "http", "inner", "for=192.0.2.1;host=inner;proto=http"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.Append([]byte("before\r\n"))
			want := "before\r\n"
			for i, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"} {
				want += name + ": " + c.want[i] + "\r\n"
			}
			if err != nil || string(got) != want {
				t.Errorf("%v\n%swant\n%s", err, got, want)
			}
		})
	}
}

func TestForwardingRefusesAHostThatBreaksTheLine(t *testing.T) {
	f := message.Forwarding{Host: "a\r\nX-Evil: 1"}
	if _, err := f.Append(nil); !errors.Is(err, http1.ErrFieldValue) {
		t.Errorf("%v", err)
	}
}

func TestForwardingAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 1024)
	for name, f := range map[string]message.Forwarding{
		"client": {Peer: netip.MustParseAddr("192.0.2.1"), Host: "shop.example.com"},
		"proxy": {
			Peer: netip.MustParseAddr("2001:db8::1").WithZone("eth0"), Host: "shop.example.com:443", Secure: true, For: []string{"198.51.100.7"},
			Proto: []string{"https"}, GivenHost: []string{"outer"}, Forwarded: []string{"for=198.51.100.7"},
		},
	} {
		var sent []byte
		if n := testing.AllocsPerRun(100, func() { sent, _ = f.Append(buf) }); n != 0 || !strings.Contains(string(sent), "proto=") {
			t.Errorf("%s: %g allocations", name, n)
		}
	}
}
