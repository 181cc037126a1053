package lane

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ours stands for the handler of this project, other for any other.
type (
	ours  struct{}
	other struct{}
)

func (ours) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error  { return nil }
func (other) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }

func isOurs(h caddyhttp.MiddlewareHandler) bool { _, is := h.(ours); return is }

func hosts(patterns ...string) caddyhttp.MatcherSets {
	m := caddyhttp.MatchHost(patterns)
	return caddyhttp.MatcherSets{{&m}}
}

// server is one as Caddy has provisioned it.
func server(routes ...caddyhttp.Route) *caddyhttp.Server {
	return &caddyhttp.Server{
		Routes: routes, Protocols: []string{"h1", "h2"}, ReadIdleTimeout: defaultStall, WriteIdleTimeout: defaultStall,
	}
}

func leads(sets caddyhttp.MatcherSets, h ...caddyhttp.MiddlewareHandler) caddyhttp.Route {
	return caddyhttp.Route{MatcherSets: sets, Handlers: h}
}

func sub(routes ...caddyhttp.Route) *caddyhttp.Subroute { return &caddyhttp.Subroute{Routes: routes} }

func TestVerdicts(t *testing.T) {
	grouped := func(r caddyhttp.Route) caddyhttp.Route { r.Group = "one"; return r }
	terminal := func(r caddyhttp.Route) caddyhttp.Route { r.Terminal = true; return r }
	path := caddyhttp.MatchPath{"/x"}
	protocol := caddyhttp.MatchProtocol("http")
	all := server(
		leads(hosts("own.example.com", "Both.example.com"), other{}),
		leads(caddyhttp.MatcherSets{{protocol, caddyhttp.MatchHost{"redirected.example.com"}}}, other{}),
		terminal(leads(hosts("*.wild.example.com"), sub(leads(hosts("odd.wild.example.com"), other{}), leads(nil, ours{})))),
		leads(hosts("path.example.com"), sub(leads(caddyhttp.MatcherSets{{path}}, other{}))),
		grouped(leads(hosts("group.example.com"), sub())),
		grouped(leads(hosts("group.example.com", "other.example.com"), other{})),
		leads(hosts("{env.HOME}.placeholder.example.com"), other{}),
		leads(nil, ours{}),
	)
	for host, want := range map[string]string{
		"shop.example.com":       "perhaps", // a placeholder may stand for anything
		"own.example.com":        "no",
		"OWN.example.com:80":     "no",
		"both.example.com":       "no",
		"redirected.example.com": "no in clear",
		"a.wild.example.com":     "yes",
		"odd.wild.example.com":   "no",
		"a.b.wild.example.com":   "perhaps",
		"path.example.com":       "no",
		"other.example.com":      "no",
		"group.example.com":      "perhaps",
		"":                       "perhaps",
		"[::1]:80":               "perhaps",
	} {
		for _, secure := range []bool{false, true} {
			r := rules{server: all, isFairlead: isOurs}
			reason := r.plan(secure, "").verdict(host).reason
			got := "no"
			switch {
			case reason == "":
				got = "yes"
			case strings.Contains(reason, "placeholder"):
				got = "perhaps"
			}
			wanted := want
			if wanted == "no in clear" {
				wanted = map[bool]string{false: "no", true: "perhaps"}[secure]
			}
			if got != wanted {
				t.Errorf("%q, TLS %t: %s (%s), want %s", host, secure, got, reason, wanted)
			}
		}
	}
	withErrors := server(leads(nil, ours{}))
	withErrors.Errors = &caddyhttp.HTTPErrorConfig{Routes: caddyhttp.RouteList{leads(hosts("sorry.example.com"), other{})}}
	p := (&rules{server: withErrors, isFairlead: isOurs}).plan(false, "")
	if !p.serves("shop.example.com", "") || p.serves("sorry.example.com", "") {
		t.Error("an error route is for another host than its own")
	}
}

// TestHostsMatchAsCaddysDo compares our reading of host patterns with Caddy's own.
func TestHostsMatchAsCaddysDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	name := func(labels ...string) string {
		var parts []string
		for range 1 + random.IntN(4) {
			parts = append(parts, pick(labels...))
		}
		return strings.Join(parts, ".")
	}
	request := new(http.Request).WithContext(context.WithValue(t.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	matched := 0
	for range 50_000 {
		pattern := name("a", "b", "*", "A", "*a", "")
		request.Host = name("a", "b", "A", "xa", "") + pick("", "", ":80", ":")
		want, err := caddyhttp.MatchHost{pattern}.MatchWithError(request)
		if err != nil {
			t.Fatal(err)
		}
		if got := matches(pattern, withoutPort(request.Host)); got != want {
			t.Fatalf("%q is %q: %t, want %t", request.Host, pattern, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 500 {
		t.Errorf("only %d of them match", matched)
	}
}

// TestPlanIsBounded asks for many hosts: what is kept does not grow, and nothing is allocated.
func TestPlanIsBounded(t *testing.T) {
	s := server(leads(hosts("a.example.com", "*.example.com", "*.example.org"), ours{}), leads(nil, other{}))
	p := (&rules{server: s, isFairlead: isOurs}).plan(false, "")
	for i := range 10_000 {
		for _, domain := range []string{"example.com", "example.org", "example.net"} {
			if got := p.serves(fmt.Sprintf("h%d.%s", i, domain), ""); got != (domain != "example.net") {
				t.Fatalf("h%d.%s is served: %t", i, domain, got)
			}
		}
	}
	if n := len(*p.fits.Load()); n != 3 {
		t.Errorf("%d fits are kept, want 3", n)
	}
	for _, host := range []string{"a.example.com", "A.Example.com:8080", "new.example.com", "new.example.net"} {
		if n := testing.AllocsPerRun(100, func() { p.serves(host, "") }); n != 0 {
			t.Errorf("%s costs %.0f allocations", host, n)
		}
	}
}

func TestStrictNames(t *testing.T) {
	s := server(leads(nil, ours{}))
	strict := true
	s.StrictSNIHost = &strict
	r := rules{server: s, isFairlead: isOurs}
	p := r.plan(true, "")
	if !p.serves("Shop.example.com:443", "shop.example.com") || p.serves("other.example.com", "shop.example.com") || p.serves("shop.example.com", "") {
		t.Error("over TLS the name asked for must be the host")
	}
	if !r.plan(false, "").serves("shop.example.com", "") {
		t.Error("in clear there is no name to be strict about")
	}
}
