package docker

import (
	"maps"
	"regexp"
	"testing"
)

// allowed is what Docker takes as a container's name.
var allowed = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for domain, want := range map[string]string{
		"shop.example.com":        "shop.example.com.2.7",
		"Shop.Example.ORG":        "shop.example.org.2.7",
		"*.shop.example.com":      "wildcard_shop.example.com.2.7",
		"wildcard.shop.localhost": "wildcard.shop.localhost.2.7",
		"redis":                   "redis.2.7",
		"bücher.example":          "b_cher.example.2.7",
		"-odd":                    "domain_-odd.2.7",
		"a/../b c":                "a_.._b_c.2.7",
	} {
		name := place{domain, 2, 7}.name()
		if name != want || !allowed.MatchString(name) {
			t.Errorf("%s: %s, want %s", domain, name, want)
		}
		if other, twice := seen[name]; twice {
			t.Errorf("%s and %s are both called %s", domain, other, name)
		}
		seen[name] = domain
		if !takesName("/"+name, domain) {
			t.Errorf("%s is not seen as a name of %s", name, domain)
		}
	}
	for _, other := range []string{"/shop.example.com", "/shop.example.com.1", "/shop.example.com.1.x", "/x.shop.example.com.1.1", "/shop.example.com.-1.1"} {
		if takesName(other, "shop.example.com") {
			t.Errorf("%s is seen as a copy's name", other)
		}
	}
}

func TestPlaceOf(t *testing.T) {
	p := place{"shop.example.com", 2, 7}
	if got, ours := placeOf(p.labels("anna"), "anna"); !ours || got != p {
		t.Errorf("read back %+v, %t", got, ours)
	}
	for _, c := range []struct{ label, value string }{
		{labelSlot, "0"}, {labelSlot, "x"}, {labelGeneration, ""}, {labelGeneration, "-1"}, {labelDomain, ""}, {labelOwner, "berta"},
	} {
		labels := maps.Clone(p.labels("anna"))
		labels[c.label] = c.value
		if _, ours := placeOf(labels, "anna"); ours {
			t.Errorf("%s=%q passes as ours", c.label, c.value)
		}
	}
}
