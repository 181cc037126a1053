package proxy

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Config is what one configuration wants of an edge. What is zero takes its default.
type Config struct {
	// Clusters in the order of the configuration; names and prefixes are unique.
	Clusters []Cluster
	// Trusted are the networks of proxies in front.
	Trusted []netip.Prefix
	// Own are addresses that no member may have: listeners, admin and Consul endpoints.
	Own []netip.AddrPort
	// Local returns this machine's addresses (those of its interfaces); they are asked for every LocalEvery (30 s) while snapshots
	// are built.
	Local      func() []netip.Addr
	LocalEvery time.Duration
	// BuildGap is the least time between two snapshots of a burst (5 ms). The first change of a burst is never delayed.
	BuildGap time.Duration
	// PruneEvery is how often the meters of what has gone are forgotten (10 min).
	PruneEvery time.Duration
	// OrderTimeout bounds how long SetOverride and DeleteOverride wait until the edge has itself seen what it stored (2 s), and
	// OrderRetry is when something that could not be done in a cluster's state is tried again, and
	// how long an order is void before it is removed (30 s).
	OrderTimeout, OrderRetry time.Duration
	Memory                   Memory
	Certificates             Certificates
	// Logger is told what comes and goes; nil discards.
	Logger *slog.Logger
}

// Cluster is one catalogue of instances with its policy and its documents.
type Cluster struct {
	pool.ClusterConfig
	Catalog *discovery.Catalog
	// State holds the cluster's overrides; nil for none.
	State state.KV
}

// Memory says where an edge keeps what it remembers from one life of the process to the next: sightings of domains, granted
// certificate names, and the last known overrides, for a restart while the clusters' state is out of reach.
type Memory struct {
	// File is the memory's file, beside the snapshot files; "" for none.
	File string
	// SaveEvery is the least time between two writes (5 s), RefreshEvery the most (1 h): domains that stay are seen all the time, but
	// only the file tells the next life.
	SaveEvery, RefreshEvery time.Duration
}

// Certificates rule which names may get a certificate on demand.
type Certificates struct {
	// Keep is how long after its last sighting a domain may still get its certificate loaded or renewed (30 days).
	Keep time.Duration
	// WildcardNames new names under one wildcard may get a certificate within WildcardWindow (10 within an hour).
	WildcardNames  int
	WildcardWindow time.Duration
}

func (c Config) withDefaults() Config {
	c.LocalEvery = cmp.Or(c.LocalEvery, 30*time.Second)
	c.BuildGap = cmp.Or(c.BuildGap, 5*time.Millisecond)
	c.PruneEvery = cmp.Or(c.PruneEvery, 10*time.Minute)
	c.OrderTimeout = cmp.Or(c.OrderTimeout, 2*time.Second)
	c.OrderRetry = cmp.Or(c.OrderRetry, 30*time.Second)
	c.Memory.SaveEvery = cmp.Or(c.Memory.SaveEvery, 5*time.Second)
	c.Memory.RefreshEvery = cmp.Or(c.Memory.RefreshEvery, time.Hour)
	c.Certificates.Keep = cmp.Or(c.Certificates.Keep, 30*24*time.Hour)
	c.Certificates.WildcardNames = cmp.Or(c.Certificates.WildcardNames, 10)
	c.Certificates.WildcardWindow = cmp.Or(c.Certificates.WildcardWindow, time.Hour)
	if c.Local == nil {
		c.Local = interfaceAddrs
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check returns what makes a configuration impossible.
func (c *Config) check() error {
	if len(c.Clusters) == 0 {
		return fmt.Errorf("no cluster is configured")
	}
	names, prefixes := map[string]bool{}, map[string]string{}
	for i := range c.Clusters {
		cluster := &c.Clusters[i]
		other, taken := prefixes[cluster.Prefix]
		switch {
		case cluster.Name == "":
			return fmt.Errorf("cluster number %d has no name", i+1)
		case strings.Contains(cluster.Name, "/"):
			return fmt.Errorf("cluster name %q has a slash, which separates the parts of an instance's ID", cluster.Name)
		case names[cluster.Name]:
			return fmt.Errorf("two clusters are named %s", cluster.Name)
		case taken:
			return fmt.Errorf("clusters %s and %s have the same prefix %q; names could belong to either", other, cluster.Name, cluster.Prefix)
		case cluster.Catalog == nil:
			return fmt.Errorf("cluster %s has no catalog", cluster.Name)
		}
		names[cluster.Name], prefixes[cluster.Prefix] = true, cluster.Name
	}
	return nil
}
