package lane

import (
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// plan knows the verdict on every host. What it keeps is bounded by the configuration, whatever hosts clients ask for: a verdict for each
// name in it, and one for each combination of wildcards that a host fits.
type plan struct {
	reason string // for all hosts, empty if it depends on them
	strict bool   // the name asked for by TLS must be the host (RFC 9110 §15.5.20)
	judge  func(matches func(pattern string) bool) *verdict

	exact     map[string]func() *verdict
	wildcards []string // no more than a fit has bits

	mu   sync.Mutex // guards writing fits
	fits atomic.Pointer[map[fit]*verdict]
}

// fit is the set of a plan's wildcards that a host fits.
type fit uint64

const mostWildcards = 64

// plan makes the plan for TLS or for clear; reason is why there is to be none.
func (r *rules) plan(secure bool, reason string) *plan {
	p := &plan{reason: reason, exact: map[string]func() *verdict{}}
	if p.reason == "" {
		p.reason = r.whole(secure)
	}
	p.fits.Store(&map[fit]*verdict{})
	p.strict = secure && r.server.StrictSNIHost != nil && *r.server.StrictSNIHost
	p.judge = func(matches func(string) bool) *verdict { return r.judge(secure, matches) }
	p.collect(r.server.Routes)
	if r.server.Errors != nil {
		p.collect(r.server.Errors.Routes)
	}
	if len(p.wildcards) > mostWildcards && p.reason == "" {
		p.reason = "more wildcards than it can keep apart"
	}
	return p
}

// collect notes the hosts that routes name.
func (p *plan) collect(routes caddyhttp.RouteList) {
	for i := range routes {
		for _, set := range routes[i].MatcherSets {
			for _, m := range set {
				switch m := m.(type) {
				case *caddyhttp.MatchHost:
					p.name(*m)
				case caddyhttp.MatchHost:
					p.name(m)
				}
			}
		}
		for _, h := range routes[i].Handlers {
			if sub, ok := h.(*caddyhttp.Subroute); ok {
				p.collect(sub.Routes)
			}
		}
	}
}

func (p *plan) name(patterns caddyhttp.MatchHost) {
	for _, pattern := range patterns {
		pattern := strings.ToLower(pattern)
		switch {
		case strings.Contains(pattern, "{"): // whoever asks for it gets "perhaps"
		case strings.Contains(pattern, "*"):
			p.wildcard(pattern)
		case p.exact[pattern] == nil:
			p.exact[pattern] = sync.OnceValue(func() *verdict {
				return p.judge(func(other string) bool { return matches(strings.ToLower(other), pattern) })
			})
		}
	}
}

func (p *plan) wildcard(pattern string) {
	for _, known := range p.wildcards {
		if known == pattern {
			return
		}
	}
	p.wildcards = append(p.wildcards, pattern)
}

// serves is the lane's question.
func (p *plan) serves(host, sni string) bool {
	if p.reason != "" || p.strict && !strings.EqualFold(sni, withoutPort(host)) {
		return false
	}
	return p.verdict(host).reason == ""
}

// verdict returns the verdict on a host as a client wrote it. It allocates nothing for hosts like those it has seen.
func (p *plan) verdict(host string) *verdict {
	if p.reason != "" {
		return not(p.reason)
	}
	host = withoutPort(host)
	if len(p.exact) > 0 {
		var buf [256]byte
		if known := p.exact[string(appendLower(buf[:0], host))]; known != nil {
			return known()
		}
	}
	var f fit
	for i, pattern := range p.wildcards {
		if matches(pattern, host) {
			f |= 1 << i
		}
	}
	if v := (*p.fits.Load())[f]; v != nil {
		return v
	}
	return p.learn(f)
}

// learn finds the verdict on hosts that are not named but fit those wildcards.
func (p *plan) learn(f fit) *verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := *p.fits.Load()
	if v := known[f]; v != nil {
		return v
	}
	v := p.judge(func(pattern string) bool {
		for i, wildcard := range p.wildcards {
			if strings.EqualFold(wildcard, pattern) {
				return f&(1<<i) != 0
			}
		}
		return false
	})
	learnt := maps.Clone(known)
	learnt[f] = v
	p.fits.Store(&learnt)
	return v
}

// withoutPort returns a host as Caddy's host matcher looks at it.
func withoutPort(host string) string {
	if !strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return host
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// matches reports whether a host is the pattern's, in which a star stands for exactly one label.
func matches(pattern, host string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.EqualFold(pattern, host)
	}
	for {
		label, patternRest, patternMore := strings.Cut(pattern, ".")
		name, hostRest, hostMore := strings.Cut(host, ".")
		if patternMore != hostMore || label != "*" && !strings.EqualFold(label, name) {
			return false
		}
		if !hostMore {
			return true
		}
		pattern, host = patternRest, hostRest
	}
}

func appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
