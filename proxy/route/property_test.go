package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// An outsider connects, or a trusted proxy connects and names an outsider last; what else it says, and how it writes the name,
// it may choose. It must never get into a cluster with an access list, nor tell which of its names exist.
func TestNoOutsiderEverGetsIn(t *testing.T) {
	s := twins()
	r := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		outsider := randomOutsider(r)
		a := Ask{Host: randomHost(r), Peer: outsider, XForwardedFor: randomLines(r, ""), Forwarded: randomLines(r, "for=")}
		if r.IntN(2) == 0 {
			a.Peer = netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(256))})
			if r.IntN(2) == 0 {
				a.XForwardedFor = appended(r, a.XForwardedFor, outsider.String())
			} else {
				a.Forwarded = appended(r, a.Forwarded, fmt.Sprintf(`for="[%s]"`, netip.AddrFrom16(outsider.As16())))
			}
		}
		d := Decide(s, a)
		if d.Pool != nil && d.Cluster.Allow != nil || d.Code == OK && d.Cluster.Name != "live" {
			t.Fatalf("%+v: %s in cluster %s (%s)", a, d.Code, d.Cluster.Name, d.Reason())
		}
		if d.Code == BadHost || d.Cluster.Allow == nil {
			continue
		}
		a.Host = d.Cluster.Prefix + "no-such-name.example"
		if other := Decide(s, a); other.Code != d.Code || other.Reason() != d.Reason() {
			t.Fatalf("%+v: %s %q, but for a name that does not exist %s %q", a, d.Code, d.Reason(), other.Code, other.Reason())
		}
	}
}

// appended writes what a proxy adds: after the last line's end, or as a line of its own.
func appended(r *rand.Rand, lines []string, element string) []string {
	if len(lines) == 0 || r.IntN(2) == 0 {
		return append(lines, element)
	}
	lines[len(lines)-1] += ", " + element
	return lines
}

// randomOutsider returns an address that is on no list and of no trusted proxy.
func randomOutsider(r *rand.Rand) netip.Addr {
	for {
		addr := netip.AddrFrom4([4]byte{byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
		if r.IntN(4) == 0 {
			addr = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(r.IntN(256))})
		}
		s := twins()
		if !addr.IsPrivate() && !inside(s.Trusted, addr) {
			if r.IntN(4) == 0 {
				return netip.AddrFrom16(addr.As16())
			}
			return addr
		}
	}
}

func randomHost(r *rand.Rand) string {
	names := []string{"test.shop.example.com", "test.full.example.com", "test.test.full.example.com", "test.x.twin.org",
		"test.down.example.com", "stage.test.shop.example.com", "fresh.shop.example.com", "shop.example.com", "test.nobody.org"}
	host := []byte(names[r.IntN(len(names))])
	for i, c := range host {
		if c != '.' && r.IntN(3) == 0 {
			host[i] = strings.ToUpper(string(rune(c)))[0]
		}
	}
	ends := []string{"", "", "", ".", ":80", ".:443", ":"}
	return string(host) + ends[r.IntN(len(ends))]
}

func randomLines(r *rand.Rand, before string) (lines []string) {
	words := []string{"10.1.2.3", "10.1.2.3:80", `"[fd00::1]:80"`, "fd00::1", "::ffff:10.1.2.3", "203.0.113.9", "10.9.0.1", "unknown", "_x",
		`"`, `"10.1.2.3`, `\"`, ";", ",", "proto=https", "for=", "for=10.1.2.3", "", "garbage", "[", "%", "192.168.1.1"}
	for range r.IntN(3) {
		var line strings.Builder
		for range r.IntN(4) {
			if r.IntN(3) > 0 {
				line.WriteString(before)
			}
			line.WriteString(words[r.IntN(len(words))])
			if r.IntN(3) > 0 {
				line.WriteString(", ")
			}
		}
		lines = append(lines, line.String())
	}
	return lines
}
