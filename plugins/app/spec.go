package app

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/proxy"
	"github.com/fairlead/fairlead/proxy/nameserver"
	"github.com/fairlead/fairlead/proxy/pool"
)

// The issuers a cluster can name.
const (
	certificatesInternal = "internal"
	certificatesPolicy   = "policy"
)

// spec is what a configuration says in the words of the domain, without anything that lives.
type spec struct {
	edge proxy.Config // its clusters lack their catalogs and documents
	// catalogs of the clusters, in the same order.
	catalogs []catalogSpec
	// internal are the clusters whose names the internal issuer certifies.
	internal map[string]bool
	// registers are the engines whose containers are registered.
	registers []registerSpec
	heal      *healSpec // nil without healing
	dns       []string
	dnsRules  nameserver.Options
	lane      LaneSpec

	drainDelay, drainTimeout, startWait, settleWait time.Duration
}

// spec is the border between Caddy's configuration and the domain: it checks every value, resolves the placeholders, and returns
// what the configuration means. It opens and starts nothing.
func (c *Config) spec() (*spec, error) {
	if len(c.Clusters) == 0 {
		return nil, errors.New("no cluster is configured: add a block such as cluster live { consul 127.0.0.1:8500 }")
	}
	dir, err := caddy.NewReplacer().ReplaceOrErr(cmp.Or(c.StateDir, filepath.Join(caddy.AppDataDir(), "fairlead")), true, true)
	if err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	s := &spec{
		internal:     map[string]bool{},
		drainDelay:   orDefault(c.DrainDelay, 5*time.Second),
		drainTimeout: orDefault(c.DrainTimeout, 10*time.Second),
		startWait:    orDefault(c.StartWait, 2*time.Second),
		settleWait:   orDefault(c.SettleWait, 500*time.Millisecond),
	}
	s.edge.Memory.File = filepath.Join(dir, "edge.json")
	if s.edge.Trusted, err = networks(c.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	for _, refused := range c.Refuse {
		own, err := endpoint(refused)
		if err != nil {
			return nil, fmt.Errorf("refuse %q: %w", refused, err)
		}
		s.edge.Own = append(s.edge.Own, own...)
	}
	if err := c.addDNS(s); err != nil {
		return nil, err
	}
	if err := c.addLane(s); err != nil {
		return nil, err
	}
	if err := distinct(c.Clusters); err != nil {
		return nil, err
	}
	for _, cluster := range c.Clusters {
		if err := c.addCluster(s, cluster, dir); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", cluster.Name, err)
		}
	}
	for _, from := range c.Register {
		if err := c.addRegister(s, from); err != nil {
			return nil, err
		}
	}
	if err := c.addHeal(s, dir); err != nil {
		return nil, err
	}
	return s, nil
}

// distinct says which clusters cannot be told apart, by their names or by the names of their domains.
func distinct(clusters []*Cluster) error {
	names, prefixes := map[string]bool{}, map[string]string{}
	for _, cluster := range clusters {
		if !validName(cluster.Name) {
			return fmt.Errorf("cluster %q: a cluster's name is made of letters, digits, - and _", cluster.Name)
		}
		if names[cluster.Name] {
			return fmt.Errorf("two clusters are named %s", cluster.Name)
		}
		prefix, err := prefix(cluster.Prefix)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", cluster.Name, err)
		}
		if other, taken := prefixes[prefix]; taken {
			return fmt.Errorf("clusters %s and %s have the same prefix %q: names could belong to either", other, cluster.Name, prefix)
		}
		names[cluster.Name], prefixes[prefix] = true, cluster.Name
	}
	return nil
}

func (c *Config) addDNS(s *spec) error {
	if c.DNS == nil {
		return nil
	}
	s.dns = c.DNS.Listen
	s.dnsRules = nameserver.Options{Zone: c.DNS.Zone, TTL: time.Duration(c.DNS.TTL)}
	if err := s.dnsRules.Validate(); err != nil {
		return fmt.Errorf("dns: %w", err)
	}
	for _, address := range s.dns {
		parsed, err := caddy.ParseNetworkAddressWithDefaults(address, "udp", 53)
		if err != nil || parsed.Network != "udp" || parsed.PortRangeSize() != 1 {
			return fmt.Errorf("dns %q: want an address such as 127.0.0.1:8600 or :53", address)
		}
		own, err := endpoint(parsed.JoinHostPort(0))
		if err != nil {
			return fmt.Errorf("dns %q: %w", address, err)
		}
		s.edge.Own = append(s.edge.Own, own...)
	}
	return nil
}

func (c *Config) addCluster(s *spec, from *Cluster, dir string) error {
	to := pool.ClusterConfig{Name: from.Name, MetaKeys: from.MetaKeys}
	catalog := catalogSpec{cluster: from.Name, hold: time.Duration(from.VanishHold), dir: dir}
	var err error
	if to.Prefix, err = prefix(from.Prefix); err != nil {
		return err
	}
	if to.Allow, err = networks(from.Allow); err != nil {
		return fmt.Errorf("allow: %w", err)
	}
	if to.Serve, err = domains(from.Domains); err != nil {
		return fmt.Errorf("domains: %w", err)
	}
	if to.DNS.Edge, err = edgeAddresses(from.AnswerEdge); err != nil {
		return err
	}
	if to.Defaults, to.Domains, err = c.layers(from); err != nil {
		return err
	}
	switch cmp.Or(from.Certificates, certificatesPolicy) {
	case certificatesInternal:
		s.internal[to.Name] = true
	case certificatesPolicy:
		if from.Certificates == "" && to.Prefix != "" {
			s.internal[to.Name] = true
		}
	default:
		return fmt.Errorf("certificates %q: want %s or %s", from.Certificates, certificatesInternal, certificatesPolicy)
	}
	if err := catalog.addSources(from); err != nil {
		return err
	}
	for _, agent := range catalog.consul {
		own, err := endpoint(agent.Address)
		if err != nil {
			return fmt.Errorf("consul %q: %w", agent.Address, err)
		}
		s.edge.Own = append(s.edge.Own, own...)
	}
	s.edge.Clusters = append(s.edge.Clusters, proxy.Cluster{ClusterConfig: to})
	s.catalogs = append(s.catalogs, catalog)
	return nil
}

// layers returns a cluster's settings: those of all clusters with its own on top, each checked.
func (c *Config) layers(from *Cluster) (defaults pool.Settings, byDomain map[string]pool.Settings, err error) {
	defaults = merged(c.Defaults, from.Defaults)
	if err := checkSettings(defaults); err != nil {
		return nil, nil, fmt.Errorf("defaults: %w", err)
	}
	byDomain = map[string]pool.Settings{}
	for _, layer := range []map[string]pool.Settings{c.DomainSettings, from.DomainSettings} {
		for name, settings := range layer {
			normal, err := domains([]string{name})
			if err != nil {
				return nil, nil, fmt.Errorf("domain: %w", err)
			}
			if err := checkSettings(settings); err != nil {
				return nil, nil, fmt.Errorf("domain %s: %w", name, err)
			}
			byDomain[normal[0]] = merged(byDomain[normal[0]], settings)
		}
	}
	return defaults, byDomain, nil
}

func merged(lower, upper pool.Settings) pool.Settings {
	both := pool.Settings{}
	maps.Copy(both, lower)
	maps.Copy(both, upper)
	return both
}

func checkSettings(settings pool.Settings) error {
	trial := pool.DefaultSpec()
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if err := trial.Set(key, settings[key]); err != nil {
			return err
		}
	}
	return nil
}
