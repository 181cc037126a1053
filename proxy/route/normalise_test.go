package route

import (
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, c := range []struct {
		host, want string
		bad        bool
	}{
		{host: "shop.example.com", want: "shop.example.com"},
		{host: "Shop.EXAMPLE.com", want: "shop.example.com"},
		{host: "shop.example.com.", want: "shop.example.com"},
		{host: "shop.example.com:8080", want: "shop.example.com"},
		{host: "SHOP.example.com.:443", want: "shop.example.com"},
		{host: "shop.example.com:", want: "shop.example.com"},
		{host: "_sip._tcp.example.com", want: "_sip._tcp.example.com"},
		{host: "xn--bcher-kva.example", want: "xn--bcher-kva.example"},
		{host: "localhost", want: "localhost"},
		{host: label63 + ".example", want: label63 + ".example"},
		{host: name253 + ".", want: name253},

		{host: "", want: ""},
		{host: ".", want: ""},
		{host: ":80", want: ""},
		{host: "192.0.2.1", want: "192.0.2.1"},
		{host: "192.0.2.1:80", want: "192.0.2.1"},
		{host: "[2001:DB8::1]", want: "2001:db8::1"},
		{host: "[2001:db8::1]:80", want: "2001:db8::1"},

		{host: "a..example.com", bad: true},
		{host: ".example.com", bad: true},
		{host: "example.com..", bad: true},
		{host: "..", bad: true},
		{host: label63 + "a.example", bad: true},
		{host: name253 + "c", bad: true},
		{host: "bücher.example", bad: true},
		{host: "*.example.com", bad: true},
		{host: "user@example.com", bad: true},
		{host: "shop%2eexample.com", bad: true},
		{host: "shop example.com", bad: true},
		{host: " shop.example.com", bad: true},
		{host: "shop.example.com\t", bad: true},
		{host: "shop.example.com\x00", bad: true},
		{host: "shop.example.com/", bad: true},
		{host: "http://shop.example.com", bad: true},
		{host: "shop.example.com:http", bad: true},
		{host: "shop.example.com:65536", bad: true},
		{host: "shop.example.com:-1", bad: true},
		{host: "shop.example.com:+80", bad: true},
		{host: "shop.example.com:80:80", bad: true},
		{host: "2001:db8::1", bad: true},
		{host: "[2001:db8::1", bad: true},
		{host: "[2001:db8::1]80", bad: true},
		{host: "[2001:db8::1]:x", bad: true},
		{host: "[fe80::1%Eth 0]:80", want: "fe80::1"},
		{host: "[192.0.2.1]", bad: true},
		{host: "[shop.example.com]", bad: true},
		{host: "[]", bad: true},
	} {
		got, ok := Normalise(c.host)
		if got != c.want || ok == c.bad {
			t.Errorf("Normalise(%q) = %q, %v; want %q, %v", c.host, got, ok, c.want, !c.bad)
		}
	}
}

func TestNormaliseDoesNotAllocateForNormalNames(t *testing.T) {
	for _, host := range []string{"shop.example.com", "shop.example.com.", "shop.example.com:8080", "shop.example.com.:1"} {
		if n := testing.AllocsPerRun(100, func() { Normalise(host) }); n != 0 {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, seed := range []string{"shop.example.com:80", "[::1%25eth0]:80", "[::%A]", "TEST.Shop.example.com.", "::", "a.-b._c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := Normalise(host)
		if !ok {
			if name != "" {
				t.Fatalf("%q is bad, yet it is %q", host, name)
			}
			return
		}
		if name != strings.ToLower(name) || strings.HasSuffix(name, ".") || strings.ContainsAny(name, "[] /@*") {
			t.Fatalf("%q became %q", host, name)
		}
		if again, ok := Normalise(name); !strings.Contains(name, ":") && (!ok || again != name) {
			t.Fatalf("%q became %q, which became %q, %v", host, name, again, ok)
		}
	})
}
