package lane

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// rules say what of a server the lane can stand for. In doubt it does not.
type rules struct {
	server     *caddyhttp.Server
	before     []caddy.ListenerWrapper
	isFairlead func(caddyhttp.MiddlewareHandler) bool
}

// verdict says why a host is not served, and if it is, the first handlers of the routes that its requests come through.
type verdict struct {
	reason   string // empty if it is served
	handlers []string
}

func not(reason string) *verdict { return &verdict{reason: reason} }

// Caddy's defaults of what the lane does not do itself but the pools do, with the same values.
const defaultStall = caddy.Duration(time.Minute)

// whole says why the lane serves nothing of the server, empty if it depends on the host.
func (r *rules) whole(secure bool) string {
	s := r.server
	for _, rule := range []struct {
		word   string
		breaks bool
	}{
		{"read_timeout", s.ReadTimeout > 0},
		{"write_timeout", s.WriteTimeout > 0},
		{"read_idle_timeout", s.ReadIdleTimeout != defaultStall},
		{"write_idle_timeout", s.WriteIdleTimeout != defaultStall},
		{"read_min_rate", s.ReadMinRate > 0},
		{"write_min_rate", s.WriteMinRate > 0},
		{"expected_underscore_headers", len(s.ExpectedUnderscoreHeaders) > 0},
		{"expected_dot_headers", len(s.ExpectedDotHeaders) > 0},
		{"protocols without h1", !slices.Contains(s.Protocols, "h1")},
		{"listen_protocols", s.ListenProtocols != nil},
		{"client_auth", secure && clientAuth(s.TLSConnPolicies)},
		{"trace", s.Logs != nil && s.Logs.Trace},
	} {
		if rule.breaks {
			return rule.word
		}
	}
	return r.foreign()
}

func clientAuth(policies caddytls.ConnectionPolicies) bool {
	return slices.ContainsFunc(policies, func(p *caddytls.ConnectionPolicy) bool {
		return p.ClientAuthentication != nil && p.ClientAuthentication.Active()
	})
}

// foreign names a listener wrapper that the lane cannot stand behind: any but those of Caddy's own, which it knows, before TLS.
func (r *rules) foreign() string {
	behind := false
	for _, w := range r.before {
		name := moduleName(w)
		switch {
		case name == "tls":
			behind = true
		case behind || name != "proxy_protocol" && name != "http_redirect":
			return "listener wrapper " + name
		}
	}
	return ""
}

// moduleName returns the name by which a configuration calls a listener wrapper, "?" for one that it cannot call.
func moduleName(w caddy.ListenerWrapper) string {
	module, ok := w.(caddy.Module)
	if !ok {
		return "?"
	}
	return strings.TrimPrefix(string(module.CaddyModule().ID), "caddy.listeners.")
}

// judge walks the server's routes as a plain request for host would. Matchers for hosts are asked by matches.
func (r *rules) judge(secure bool, matches func(pattern string) bool) *verdict {
	w := walk{rules: r, secure: secure, matches: matches}
	v := w.routes(r.server.Routes, true)
	if v == nil {
		return not("no route")
	}
	if v.reason != "" || r.server.Errors == nil {
		return v
	}
	for i := range r.server.Errors.Routes {
		if w.sets(r.server.Errors.Routes[i].MatcherSets) != never {
			return not("handle_errors")
		}
	}
	return v
}

// walk is one walk.
type walk struct {
	*rules
	secure   bool
	matches  func(pattern string) bool
	handlers []string
	unclear  string // the matcher that made the last answer perhaps
}

// routes returns what becomes of the request, or nil if it comes out at the end. Only the routes of the top are counted by Caddy's metrics.
func (w *walk) routes(routes caddyhttp.RouteList, top bool) *verdict {
	taken := map[string]bool{}
	for i := range routes {
		r := &routes[i]
		if r.Group != "" && taken[r.Group] {
			continue
		}
		switch w.sets(r.MatcherSets) {
		case never:
			continue
		case perhaps:
			return not("matcher " + w.unclear)
		}
		if r.Group != "" {
			taken[r.Group] = true
		}
		if top {
			w.handlers = append(w.handlers, firstHandler(r))
		}
		for _, h := range r.Handlers {
			if v := w.handler(h); v != nil {
				return v
			}
		}
		if r.Terminal {
			return not("a route that ends without it")
		}
	}
	return nil
}

func (w *walk) handler(h caddyhttp.MiddlewareHandler) *verdict {
	if w.isFairlead(h) {
		return &verdict{handlers: w.handlers}
	}
	sub, ok := h.(*caddyhttp.Subroute)
	switch {
	case !ok:
		return not(word(h))
	case sub.Errors != nil && len(sub.Errors.Routes) > 0:
		return not("handle_errors")
	}
	return w.routes(sub.Routes, false)
}

func firstHandler(r *caddyhttp.Route) string {
	if len(r.Handlers) == 0 {
		return ""
	}
	return caddy.GetModuleName(r.Handlers[0])
}

// words are the directives of handlers whose modules have other names.
var words = map[string]string{"authentication": "basic_auth", "headers": "header", "static_response": "respond or redir"}

func word(h caddyhttp.MiddlewareHandler) string {
	name := caddy.GetModuleName(h)
	return cmp.Or(words[name], name, "a handler without a name")
}

// answer is whether something matches.
type answer int

const (
	never answer = iota
	perhaps
	always
)

// sets asks a route's matchers: one of the sets must match.
func (w *walk) sets(sets caddyhttp.MatcherSets) answer {
	if len(sets) == 0 {
		return always
	}
	best := never
	for _, set := range sets {
		best = max(best, w.set(set))
	}
	return best
}

// set asks one set of matchers, all of which must match.
func (w *walk) set(set caddyhttp.MatcherSet) answer {
	worst := always
	for _, m := range set {
		worst = min(worst, w.matcher(m))
	}
	return worst
}

func (w *walk) matcher(m any) answer {
	switch m := m.(type) {
	case *caddyhttp.MatchHost:
		return w.hosts(*m)
	case caddyhttp.MatchHost: // that of an automatic redirect
		return w.hosts(m)
	case caddyhttp.MatchProtocol:
		return w.protocol(string(m))
	case *caddyhttp.MatchProtocol:
		return w.protocol(string(*m))
	}
	w.unclear = cmp.Or(caddy.GetModuleName(m), "?")
	return perhaps
}

func (w *walk) hosts(patterns caddyhttp.MatchHost) answer {
	best := never
	for _, pattern := range patterns {
		switch {
		case strings.Contains(pattern, "{"):
			w.unclear = "host with a placeholder"
			best = max(best, perhaps)
		case w.matches(pattern):
			return always
		}
	}
	return best
}

func (w *walk) protocol(name string) answer {
	switch name {
	case "http":
		return sure(!w.secure)
	case "https":
		return sure(w.secure)
	}
	w.unclear = "protocol"
	return perhaps
}

func sure(matches bool) answer {
	if matches {
		return always
	}
	return never
}
