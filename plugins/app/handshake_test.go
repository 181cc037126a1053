package app

import (
	"net"
	"net/netip"
	"testing"
)

// told is a client hello as certmagic's events have it.
type told struct {
	ServerName           string
	RemoteAddr           net.Addr
	SupportedProtos      []string
	LocalAddr, SomeOther any
}

func TestHelloOf(t *testing.T) {
	from := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 4711}
	client := netip.MustParseAddr("192.0.2.7")
	for name, c := range map[string]struct {
		told any
		want hello
		fail bool
	}{
		"a client":                 {told: told{ServerName: "a.example.com", RemoteAddr: from, SupportedProtos: []string{"h2"}}, want: hello{name: "a.example.com", client: client}},
		"over QUIC":                {told: told{ServerName: "a.example.com", RemoteAddr: &net.UDPAddr{IP: from.IP, Port: 1}}, want: hello{name: "a.example.com", client: client}},
		"an authority":             {told: told{ServerName: "a.example.com", RemoteAddr: from, SupportedProtos: []string{"acme-tls/1"}}, want: hello{"a.example.com", client, true}},
		"one that makes as if":     {told: told{ServerName: "a.example.com", RemoteAddr: from, SupportedProtos: []string{"acme-tls/1", "h2"}}, want: hello{name: "a.example.com", client: client}},
		"a socket without address": {told: told{ServerName: "a.example.com", RemoteAddr: &net.UnixAddr{Name: "@"}}, want: hello{name: "a.example.com"}},
		"no connection":            {told: told{ServerName: "a.example.com"}, want: hello{name: "a.example.com"}},
		"another type":             {told: map[string]string{"ServerName": "a.example.com"}, fail: true},
		"nothing":                  {fail: true},
		"other fields":             {told: struct{ ServerName string }{"a.example.com"}, fail: true},
	} {
		got, err := helloOf(c.told)
		if got != c.want || (err != nil) != c.fail {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}
