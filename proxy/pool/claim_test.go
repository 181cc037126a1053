package pool

import (
	"slices"
	"strings"
	"testing"
)

func TestClaims(t *testing.T) {
	type services map[string]copyOf
	cases := []struct {
		name     string
		services services
		config   func(*ClusterConfig)
		holds    map[string]string // domain to service, "" for nobody
		refused  map[string]string // "domain service" to a part of the reason
	}{
		{
			name:     "a name with a dot is a domain, another is not exposed",
			services: services{"shop.example.com": plain, "redis": plain},
			holds:    map[string]string{"shop.example.com": "shop.example.com", "redis": ""},
		},
		{
			name:     "a service names its domains in Meta",
			services: services{"shop": metaOf("domain", "shop.example.com, WWW.Example.com.", "domain_2", "*.shop.example.com", "domain_3", "x.example.com")},
			holds: map[string]string{"shop.example.com": "shop", "www.example.com": "shop", "*.shop.example.com": "shop",
				"x.example.com": "shop", "shop": ""},
		},
		{
			name:     "the name and Meta together",
			services: services{"shop.example.com": metaOf("domain", "shop.example.com,www.example.com")},
			holds:    map[string]string{"shop.example.com": "shop.example.com", "www.example.com": "shop.example.com"},
		},
		{
			name:     "the service named like the domain beats Meta",
			services: services{"shop.example.com": plain, "a": metaOf("domain", "shop.example.com")},
			holds:    map[string]string{"shop.example.com": "shop.example.com"},
			refused:  map[string]string{"shop.example.com a": "service shop.example.com is named like the domain"},
		},
		{
			name: "among Meta claims the alphabetically first wins",
			services: services{"b": metaOf("domain", "x.example.com"), "a": metaOf("domain", "x.example.com"),
				"c": metaOf("domain", "x.example.com,c.example.com")},
			holds:   map[string]string{"x.example.com": "a", "c.example.com": "c"},
			refused: map[string]string{"x.example.com b": "service a claims it too", "x.example.com c": "service a claims it too"},
		},
		{
			name:     "names that differ in case only",
			services: services{"shop.example.com": plain, "Shop.example.com": plain},
			holds:    map[string]string{"shop.example.com": "Shop.example.com"},
			refused:  map[string]string{"shop.example.com shop.example.com": "Shop.example.com"},
		},
		{
			name: "what is no domain",
			services: services{"a..example.com": plain, "10.0.0.1": plain, "*.example.org": plain,
				"x": metaOf("domain", "localhost,-a.example.com,*.com,bücher.example.com,a/b.example.com,fine.example.com")},
			holds: map[string]string{"fine.example.com": "x"},
			refused: map[string]string{
				"a..example.com a..example.com": "empty label", "10.0.0.1 10.0.0.1": "ends in a number",
				"*.example.org *.example.org": "claimed in Meta", "localhost x": "no dot", "-a.example.com x": "hyphen",
				"*.com x": "no dot", "bücher.example.com x": "A-label", "a/b.example.com x": `holds '/'`,
			},
		},
		{
			name:     "the cluster serves some domains only",
			services: services{"a.shop.example.com": plain, "b.example.org": plain, "x": metaOf("domain", "*.shop.example.com,*.example.org")},
			config:   func(c *ClusterConfig) { c.Serve = []string{"*.example.com", "c.example.org"} },
			holds:    map[string]string{"a.shop.example.com": "a.shop.example.com", "*.shop.example.com": "x", "b.example.org": ""},
			refused: map[string]string{"b.example.org b.example.org": "not configured to serve",
				"*.example.org x": "not configured to serve"},
		},
		{
			name:     "Meta claims do not count",
			services: services{"shop": metaOf("domain", "shop.example.com"), "a.example.com": plain},
			config:   func(c *ClusterConfig) { c.MetaKeys = []string{"priority", "fairlead_*"} },
			holds:    map[string]string{"shop.example.com": "", "a.example.com": "a.example.com"},
		},
		{
			name:     "live names that start with a prefix",
			services: services{"test.shop.example.com": plain, "x": metaOf("domain", "Test.y.example.com,testy.example.com")},
			holds:    map[string]string{"test.shop.example.com": "", "test.y.example.com": "", "testy.example.com": "x"},
			refused: map[string]string{
				"test.shop.example.com test.shop.example.com": `unreachable: names that start with "test." are those of cluster test`,
				"test.y.example.com x":                        "unreachable",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("", "test.")
			if c.config != nil {
				c.config(w.config())
			}
			for name, copy := range c.services {
				w.put(0, name, copy)
			}
			checkNames(t, w.build().Clusters[0], c.holds, c.refused)
		})
	}
}

// checkNames compares who holds which domain, and what was refused, with what is wanted.
func checkNames(t *testing.T, c *Cluster, holds, refused map[string]string) {
	t.Helper()
	for domain, service := range holds {
		p := c.Exact[domain]
		if base, ok := strings.CutPrefix(domain, "*."); ok {
			p = c.Wildcard[base]
		}
		switch {
		case p == nil && service != "":
			t.Errorf("%s: nobody holds it, want %s; refused: %v", domain, service, c.Refused)
		case p != nil && p.Service != service:
			t.Errorf("%s: held by %s, want %q", domain, p.Service, service)
		case p != nil && p.Name != domain:
			t.Errorf("%s: the pool is called %s", domain, p.Name)
		}
	}
	for _, r := range c.Refused {
		part, ok := refused[r.Domain+" "+r.Service]
		if !ok || !strings.Contains(r.Reason, part) {
			t.Errorf("refused: %+v, want %q", r, part)
		}
	}
	if len(c.Refused) != len(refused) {
		t.Errorf("%d refusals, want %d: %v", len(c.Refused), len(refused), c.Refused)
	}
	if !slices.IsSortedFunc(c.Refused, func(a, b Refusal) int { return strings.Compare(a.Domain, b.Domain) }) {
		t.Error("refusals are not sorted")
	}
}

// TestTwinNames is about the names of a cluster with a prefix.
func TestTwinNames(t *testing.T) {
	w := newWorld("", "test.", "test.eu.")
	w.put(1, "shop.example.com", plain)
	w.put(1, "test.shop.example.com", plain)
	w.put(1, "test.only.example.com", plain)
	w.put(1, "wild", metaOf("domain", "*.example.com"))
	w.put(1, "eu.example.com", plain)
	w.put(2, "shop.example.com", plain)
	w.build()
	checkNames(t, w.snap.Clusters[1], map[string]string{
		"shop.example.com": "shop.example.com", "test.shop.example.com": "test.shop.example.com",
		"test.only.example.com": "test.only.example.com", "*.example.com": "wild",
	}, map[string]string{
		"eu.example.com eu.example.com": `unreachable: names that start with "test.eu." are those of cluster test.eu`,
	})
	if w.snap.Clusters[0].Exact["shop.example.com"] != nil {
		t.Error("the cluster live got a domain of the cluster test")
	}
	if p := w.snap.Clusters[2].Exact["shop.example.com"]; p == nil || p.Cluster != "test.eu" {
		t.Error("the third cluster has no pool of its own")
	}
}

// TestServices is about the map of services, which the nameserver answers from.
func TestServices(t *testing.T) {
	w := newWorld("")
	w.put(0, "Redis", plain)
	w.put(0, "shop", metaOf("domain", "b.example.com,a.example.com"))
	w.put(0, "taken", metaOf("domain", "c.example.com"))
	w.put(0, "c.example.com", plain)
	c := w.build().Clusters[0]
	for service, pool := range map[string]string{
		"redis": "Redis", "shop": "b.example.com", "taken": "taken", "c.example.com": "c.example.com",
	} {
		if p := c.Services[service]; p == nil || p.Name != pool {
			t.Errorf("service %s: pool %+v, want %s", service, p, pool)
		}
	}
}

// TestClaimsMove is about a domain that changes hands.
func TestClaimsMove(t *testing.T) {
	w := newWorld("")
	holder := func() string {
		if p := w.build().Clusters[0].Exact["x.example.com"]; p != nil {
			return p.Service
		}
		return ""
	}
	steps := []struct {
		change func()
		want   string
	}{
		{func() { w.put(0, "b", metaOf("domain", "x.example.com")) }, "b"},
		{func() { w.put(0, "c", metaOf("domain", "x.example.com")) }, "b"},
		{func() { w.put(0, "a", metaOf("domain", "x.example.com")) }, "a"},
		{func() { w.put(0, "a", plain) }, "b"},
		{func() { w.remove(0, "b") }, "c"},
		{func() { w.put(0, "x.example.com", plain) }, "x.example.com"},
		{func() { w.remove(0, "c") }, "x.example.com"},
		{func() { w.remove(0, "x.example.com") }, ""},
	}
	for n, step := range steps {
		step.change()
		if got := holder(); got != step.want {
			t.Errorf("step %d: held by %q, want %q", n, got, step.want)
		}
	}
	if r := w.snap.Clusters[0].Refused; len(r) != 0 {
		t.Errorf("refusals are left: %v", r)
	}
}
