package pool

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/discovery"
)

// kind tells the name spaces of a cluster apart.
type kind uint8

const (
	domainName kind = iota
	wildcardName
	serviceName
)

// key is a name that one service of a cluster can hold.
type key struct {
	kind kind
	name string
}

// domain returns the name as operators read it.
func (k key) domain() string {
	if k.kind == wildcardName {
		return "*." + k.name
	}
	return k.name
}

// claim is a service's wish for a name. own marks the name of the service itself, which beats what others say in Meta.
type claim struct {
	key
	own bool
}

// beats reports whether a claim of service a wins over one of service b: the service named like the domain first, then the
// alphabetically first. That is the same whoever registered earlier, so that every edge answers alike.
func beats(a string, first claim, b string, second claim) bool {
	if first.own != second.own {
		return first.own
	}
	return a < b
}

// wishes is what a service asks for.
type wishes struct {
	claims   []claim
	refused  []Refusal // what it may not even claim
	settings Settings
	notes    []string
}

// wishes reads a service's name and Meta.
func (p *policy) wishes(s *discovery.Service) wishes {
	meta := p.readMeta(s)
	w := wishes{settings: meta.settings, notes: meta.notes}
	w.claims = append(w.claims, claim{key{serviceName, lower(s.Name)}, true})
	if strings.Contains(s.Name, ".") {
		p.claim(&w, s.Name, s.Name, true)
	}
	for _, domain := range meta.domains {
		p.claim(&w, s.Name, domain, false)
	}
	return w
}

// claim adds the claim to a domain, or the reason why it cannot be made.
func (p *policy) claim(w *wishes, service, domain string, own bool) {
	name, err := ParseDomain(domain)
	reason := ""
	base, isWildcard := strings.CutPrefix(name, "*.")
	switch {
	case err != nil:
		name, reason = domain, err.Error()
	case isWildcard && own:
		reason = "a wildcard is claimed in Meta, not by a service's name"
	case !p.serves(name):
		reason = "cluster " + p.config.Name + " is not configured to serve this domain"
	case !isWildcard:
		reason = p.unreachable(name)
	}
	if reason != "" {
		w.refused = append(w.refused, Refusal{Domain: name, Service: service, Reason: reason})
		return
	}
	k := key{domainName, name}
	if isWildcard {
		k = key{wildcardName, base}
	}
	if !slices.ContainsFunc(w.claims, func(c claim) bool { return c.key == k }) {
		w.claims = append(w.claims, claim{k, own})
	}
}

// lost explains to the loser of a name why it has not got it.
func lost(service string, c claim, winner string, won claim) Refusal {
	reason := fmt.Sprintf("service %s claims it too and comes first in the alphabet", winner)
	switch {
	case c.kind == serviceName:
		reason = fmt.Sprintf("service %s has the same name but for upper and lower case, and comes first", winner)
	case won.own && !c.own:
		reason = fmt.Sprintf("service %s is named like the domain", winner)
	}
	return Refusal{Domain: c.domain(), Service: service, Reason: reason}
}
