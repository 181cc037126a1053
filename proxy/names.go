package proxy

import (
	"strings"

	"github.com/fairlead/fairlead/proxy/pool"
)

// fullName returns the name that clients use for a domain of a cluster. A service may have claimed it by that name.
func fullName(c *pool.Cluster, domain string) string {
	if strings.HasPrefix(domain, c.Prefix) {
		return domain
	}
	return c.Prefix + domain
}

// wildcardName returns the name under which everything one label below parent is remembered.
func wildcardName(c *pool.Cluster, parent string) string { return c.Prefix + "*." + parent }

// served returns every domain of a snapshot by the name that clients use, wildcards with their star.
func served(s *pool.Snapshot) map[string]*pool.Cluster {
	names := map[string]*pool.Cluster{}
	for _, c := range s.Clusters {
		for domain := range c.Exact {
			names[fullName(c, domain)] = c
		}
		for parent := range c.Wildcard {
			names[wildcardName(c, parent)] = c
		}
	}
	return names
}
