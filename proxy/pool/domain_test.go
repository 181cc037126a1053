package pool

import (
	"strings"
	"testing"
)

func TestParseDomain(t *testing.T) {
	long := strings.Repeat("a", 63)
	cases := []struct{ in, want string }{
		{"shop.example.com", "shop.example.com"},
		{"Shop.Example.COM.", "shop.example.com"},
		{"*.Example.com", "*.example.com"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"my_app.example.com", "my_app.example.com"},
		{"1.2.3.example", "1.2.3.example"},
		{long + ".example", long + ".example"},
		{long + "." + long + "." + long + "." + long[:61], long + "." + long + "." + long + "." + long[:61]},
		{long + "." + long + "." + long + "." + long[:62], ""},
		{"a" + long + ".example", ""},
		{"", ""}, {".", ""}, {"example", ""}, {"example.", ""}, {"*.com", ""}, {"*", ""}, {"*.", ""}, {".example.com", ""},
		{"a..b", ""}, {"a.b..", ""}, {"a.*.b", ""}, {"*.*.a.b", ""}, {"-a.b", ""}, {"a-.b", ""}, {"a.b-", ""},
		{"a b.c", ""}, {"a.b:80", ""}, {"a/b.c", ""}, {"a.b\n", ""}, {"a.b\x00", ""}, {"[::1].a", ""},
		{"10.0.0.1", ""}, {"a.1", ""}, {"bücher.example", ""}, {"shop.example\u3002com", ""}, {"\u212a.example", ""}, // the Kelvin sign, whose lower case is k
	}
	for _, c := range cases {
		got, err := ParseDomain(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("ParseDomain(%q) = %q, %v; want %q", c.in, got, err, c.want)
		}
	}
}

func FuzzParseDomain(f *testing.F) {
	for _, s := range []string{"shop.example.com", "*.Example.com.", "a..b", "10.0.0.1", "bücher.example", "-a.b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseDomain(s)
		if err != nil {
			if name != "" {
				t.Errorf("ParseDomain(%q) gives %q with an error", s, name)
			}
			return
		}
		if again, err := ParseDomain(name); err != nil || again != name {
			t.Errorf("ParseDomain(%q) = %q, which becomes %q, %v", s, name, again, err)
		}
		if strings.ContainsFunc(name, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.*", r)
		}) || len(name) > 255 || strings.LastIndexByte(name, '*') > 0 {
			t.Errorf("ParseDomain(%q) = %q", s, name)
		}
	})
}

func TestCovers(t *testing.T) {
	list := []string{"a.example.com", "*.Example.org"}
	for domain, want := range map[string]bool{
		"a.example.com": true, "b.a.example.com": false, "*.a.example.com": false, "x.example.org": true,
		"y.x.example.org": true, "*.example.org": true, "*.x.example.org": true, "example.org": false, "badexample.org": false,
	} {
		if covers(list, domain) != want {
			t.Errorf("covers(%q) = %v", domain, !want)
		}
	}
}
