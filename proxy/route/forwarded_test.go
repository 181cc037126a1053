package route

import (
	"slices"
	"strings"
	"testing"
)

func TestForwardedNodes(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
		bad  bool
	}{
		// The examples of RFC 7239 §4 and §7.4.
		{line: `for="_gazonk"`, want: []string{"_gazonk"}},
		{line: `For="[2001:db8:cafe::17]:4711"`, want: []string{"[2001:db8:cafe::17]:4711"}},
		{line: `for=192.0.2.60;proto=http;by=203.0.113.43`, want: []string{"192.0.2.60"}},
		{line: `for=192.0.2.43, for=198.51.100.17`, want: []string{"192.0.2.43", "198.51.100.17"}},
		{line: `for=192.0.2.43, for="[2001:db8:cafe::17]", for=unknown`, want: []string{"192.0.2.43", "[2001:db8:cafe::17]", "unknown"}},

		{line: ``},
		{line: ` , ,; ,`},
		{line: `proto=https`},
		{line: `host="a,b;for=10.0.0.1";for=10.0.0.2`, want: []string{"10.0.0.2"}},
		{line: `for=10.0.0.1 ; proto=http , FOR=10.0.0.2`, want: []string{"10.0.0.1", "10.0.0.2"}},
		{line: `for=[2001:db8::1]:80`, want: []string{"[2001:db8::1]:80"}},
		{line: `for="10\.0.0.1"`, want: []string{"10.0.0.1"}},
		{line: `for="a\"b"`, want: []string{`a"b`}},
		{line: `for=""`, want: []string{""}},

		{line: `for`, bad: true},
		{line: `for=`, bad: true},
		{line: `for=;proto=http`, bad: true},
		{line: `for =10.0.0.1`, bad: true},
		{line: `for= 10.0.0.1`, bad: true},
		{line: `10.0.0.1`, bad: true},
		{line: `10.0.0.1, for=10.0.0.2`, bad: true},
		{line: `for="10.0.0.1`, bad: true},
		{line: `for="10.0.0.1\`, bad: true},
		{line: `for="10.0.0.1"x`, want: []string{"10.0.0.1"}, bad: true},
		{line: `for=10.0.0.1 10.0.0.2`, want: []string{"10.0.0.1"}, bad: true},
		{line: `for=10.0.0.1;for=10.0.0.2`, want: []string{"10.0.0.1"}, bad: true},
		{line: `for=10.0.0.1"x"`, want: []string{"10.0.0.1"}, bad: true},
	} {
		var got []string
		ok := forwardedNodes(c.line, func(node string) { got = append(got, node) })
		if !slices.Equal(got, c.want) || ok == c.bad {
			t.Errorf("%s: nodes %q, %v; want %q, %v", c.line, got, ok, c.want, !c.bad)
		}
	}
}

func TestParseNode(t *testing.T) {
	for node, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1",
		"192.0.2.1:80":         "192.0.2.1",
		"192.0.2.1:_p-1.x":     "192.0.2.1",
		"2001:DB8::1":          "2001:db8::1",
		"[2001:db8::1]":        "2001:db8::1",
		"[2001:db8::1]:80":     "2001:db8::1",
		"::ffff:192.0.2.1":     "192.0.2.1",
		"[::ffff:192.0.2.1]:1": "192.0.2.1",
		"fe80::1%eth0":         "fe80::1",
		"[fe80::1%eth0]:80":    "fe80::1",

		"": "", "unknown": "", "_x": "", "192.0.2": "", "192.0.2.256": "", "192.0.2.1:": "", "192.0.2.1:65536": "", "192.0.2.1:_": "",
		"192.0.2.1:_ä": "", "[192.0.2.1]": "", "[192.0.2.1]:80": "", "[2001:db8::1": "", "2001:db8::1]": "", "[2001:db8::1]80": "",
		"[2001:db8::1]:": "", "192.0.2.1%eth0": "", "2001:db8::1%eth0": "", "::ffff:192.0.2.1%eth0": "", "fe80::1%": "", "0x7f.1": "",
		"1": "", " 192.0.2.1": "", "192.0.2.1/32": "",
	} {
		addr, ok := parseNode(node)
		if got := addr.String(); ok != (want != "") || ok && got != want {
			t.Errorf("parseNode(%q) = %s, %v; want %q", node, got, ok, want)
		}
	}
}

// Whatever a client puts before it, the element a proxy appends to a well-formed line is found as the last one.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{`for=1.2.3.4`, `for="[::1]:80";proto=https`, `for="a\"`, `x=",`, `;,;`, `host="a,b"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		last := ""
		if !forwardedNodes(line+", for=198.51.100.7", func(node string) { last = node; parseNode(node) }) {
			return
		}
		if last != "198.51.100.7" {
			t.Fatalf("%q hides the appended element behind %q", line, last)
		}
		if strings.Count(line, `"`) == 1 {
			t.Fatalf("%q has an open quote and is well formed", line)
		}
	})
}
