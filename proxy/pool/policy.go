package pool

import (
	"reflect"
	"slices"
	"strings"
)

// policy is what holds for all pools of a cluster: its configuration, made ready, and the guarded addresses. It is kept from one
// Build to the next while its origins are equal, so that pools built under the same policy need not be built again.
type policy struct {
	config   ClusterConfig
	prefixes []prefix // of all clusters
	guard    *guard
	base     *Spec // the built-in policy and the configuration's defaults
	problems []string
	domains  map[string]Settings
}

// prefix is a name prefix with the cluster it leads to.
type prefix struct{ prefix, cluster string }

func newPolicy(config ClusterConfig, prefixes []prefix, g *guard) *policy {
	p := &policy{config: config, prefixes: prefixes, guard: g, base: DefaultSpec(), domains: map[string]Settings{}}
	p.problems = p.base.Apply("configuration", config.Defaults)
	for domain, settings := range config.Domains {
		p.domains[lower(strings.TrimSuffix(domain, "."))] = settings
	}
	return p
}

func (p *policy) equal(config ClusterConfig, prefixes []prefix, g *guard) bool {
	return p.guard.equal(g) && slices.Equal(p.prefixes, prefixes) && reflect.DeepEqual(p.config, config)
}

func (p *policy) prefix() string { return lower(p.config.Prefix) }

// unreachable returns why no question for domain ever comes to this cluster, or "". Questions go to the cluster with the longest
// prefix that the name starts with; here the domain is asked for with the cluster's prefix, or as it is if it has that already.
func (p *policy) unreachable(domain string) string {
	owner := p.owner(p.prefix() + domain)
	if owner.prefix == p.prefix() || p.owner(domain).prefix == p.prefix() {
		return ""
	}
	return `unreachable: names that start with "` + owner.prefix + `" are those of cluster ` + owner.cluster
}

func (p *policy) owner(name string) prefix {
	var longest prefix
	for _, other := range p.prefixes {
		if strings.HasPrefix(name, other.prefix) && len(other.prefix) > len(longest.prefix) {
			longest = other
		}
	}
	return longest
}

// serves reports whether the cluster may serve a domain by its configuration. The limits are written without the prefix, and may
// be with it.
func (p *policy) serves(domain string) bool {
	return p.config.Serve == nil || covers(p.config.Serve, domain) ||
		covers(p.config.Serve, strings.TrimPrefix(domain, p.prefix()))
}

// counts reports whether a Meta key counts in the cluster. An entry of MetaKeys may end in a star.
func (p *policy) counts(key string) bool {
	if p.config.MetaKeys == nil {
		return true
	}
	return slices.ContainsFunc(p.config.MetaKeys, func(entry string) bool {
		stem, open := strings.CutSuffix(entry, "*")
		return entry == key || open && strings.HasPrefix(key, stem)
	})
}

// spec returns the policy of a pool, after all layers but overrides, and what was refused on the way. A pool without settings of
// its own shares the cluster's.
func (p *policy) spec(service string, meta Settings, name string) (*Spec, []string) {
	block := p.domains[strings.TrimPrefix(name, p.prefix())]
	if block == nil {
		block = p.domains[name]
	}
	if len(meta) == 0 && len(block) == 0 {
		return p.base, p.problems
	}
	spec := p.base.Clone()
	problems := slices.Clone(p.problems)
	problems = append(problems, spec.Apply("meta of service "+service, meta)...)
	problems = append(problems, spec.Apply("domain "+name, block)...)
	return spec, problems
}
