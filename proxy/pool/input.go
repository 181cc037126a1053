package pool

import (
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// Input is all that Build looks at. Nothing in it is changed after it was handed over, but for Meters, and Overrides and Verdicts,
// of which Build keeps copies.
type Input struct {
	Now      time.Time
	Clusters []ClusterInput
	Trusted  []netip.Prefix
	// Own are addresses a member may never have: our listeners, admin and Consul endpoints. An unspecified address there stands for
	// every local one.
	Own []netip.AddrPort
	// Local are this machine's addresses, which make an unspecified Own address complete.
	Local  []netip.Addr
	Meters *Meters
}

// ClusterInput is one cluster's part of the input.
type ClusterInput struct {
	Config ClusterConfig
	Facts  *discovery.Facts
	// Overrides and Verdicts by instance ID.
	Overrides map[string]Override
	Verdicts  map[string]Verdict
}

// ClusterConfig is what the configuration says of a cluster.
type ClusterConfig struct {
	Name   string
	Prefix string
	Allow  []netip.Prefix // nil: everybody
	// Serve limits the domains the cluster may serve, as exact names or "*.example.com" (any depth below); nil: every one.
	Serve []string
	// MetaKeys limits the Meta keys that count (domain, priority, fairlead_*); nil: every one.
	MetaKeys []string
	DNS      DNSAnswer
	// Defaults are settings for every pool; Domains those of one domain, by its name without prefix. See Spec.Set for the keys.
	Defaults Settings
	Domains  map[string]Settings
}

// Settings are policy settings by key, as written by the user; their values are checked by Spec.Set.
type Settings map[string]string
