package app

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Config is the configuration of Fairlead.
type Config struct {
	// The clusters, at least one. Names and prefixes differ; one cluster at most has no prefix.
	Clusters []*Cluster `json:"clusters,omitempty"`

	// The Docker engines whose containers are registered in Consul.
	Register []*Register `json:"register,omitempty"`

	// What keeps services at their wanted number of copies; nothing does without it.
	Heal *Heal `json:"heal,omitempty"`

	// The nameserver; none without it.
	DNS *DNS `json:"dns,omitempty"`

	// How plain HTTP/1.1 requests are served, and how much clients may make us hold for them.
	Lane *Lane `json:"lane,omitempty"`

	// The networks of proxies in front, whose own addresses in Forwarded and X-Forwarded-For do not count and whose word on the
	// client is believed: addresses, CIDR ranges, or `private_ranges`. Default: nobody.
	TrustedProxies []string `json:"trusted_proxies,omitempty"`

	// The folder of what outlives the process: the catalogues' snapshot files, and the documents of clusters without Consul.
	// Default: `fairlead` in Caddy's data folder.
	StateDir string `json:"state_dir,omitempty"`

	// Settings of every pool of every cluster, by key; see docs/configuration.md.
	Defaults pool.Settings `json:"defaults,omitempty"`

	// Settings of one domain, by its name without prefix, in every cluster.
	DomainSettings map[string]pool.Settings `json:"domain_settings,omitempty"`

	// Addresses (host:port) that no member may have, beside those of our own listeners, of Caddy's admin endpoint and of Consul, which
	// are refused anyway.
	Refuse []string `json:"refuse,omitempty"`

	// How long the process goes on serving after it was told to stop and `/fairlead/ready` has begun to fail, for load balancers in
	// front to notice. Default: 5s; negative for none.
	DrainDelay caddy.Duration `json:"drain_delay,omitempty"`

	// How long a stopping process waits for what is under way, tunnels such as WebSockets among it, if Caddy's own `grace_period` is not
	// set. Default: 10s.
	DrainTimeout caddy.Duration `json:"drain_timeout,omitempty"`

	// How long loading a configuration waits for the first facts of a cluster that has none yet. Default: 2s; negative for not at all.
	StartWait caddy.Duration `json:"start_wait,omitempty"`

	// How long an old configuration waits on a reload for connections that have not sent their first request. Default: 500ms; negative
	// for not at all.
	SettleWait caddy.Duration `json:"settle_wait,omitempty"`
}

// Lane says how plain HTTP/1.1 requests are served.
type Lane struct {
	// What drives the lane: `loop`, one loop per processor (Linux), `portable`, a goroutine per connection, or `off`, which leaves all
	// to Caddy's own HTTP server. Default: the best that the machine allows.
	Engine string `json:"engine,omitempty"`

	// The most connections of an address. Default: no limit.
	MaxConnections int `json:"max_connections,omitempty"`

	// The most connections of one client's address to one of ours. Default: no limit.
	MaxConnectionsPerClient int `json:"max_connections_per_client,omitempty"`

	// The least number of bytes a second at which the body of a request must come. Default: no limit.
	BodyRate int `json:"body_rate,omitempty"`

	// How long a body may come more slowly before that counts. Default: 5s.
	BodyGrace caddy.Duration `json:"body_grace,omitempty"`
}

// DNS is the nameserver.
type DNS struct {
	// The addresses (host:port, port 53 by default) to listen on, by UDP and TCP.
	Listen []string `json:"listen,omitempty"`

	// The domain of the names NAME.service.ZONE. Default: `fairlead.`.
	Zone string `json:"zone,omitempty"`

	// How long answers may be kept, from 1s to 5s. Default: 2s.
	TTL caddy.Duration `json:"ttl,omitempty"`
}

// Cluster is one catalogue of instances.
type Cluster struct {
	// The name, of letters, digits, `-` and `_`.
	Name string `json:"name,omitempty"`

	// What the names of this cluster begin with, such as `test.`. Empty for the cluster of all other names.
	Prefix string `json:"prefix,omitempty"`

	// The clients that may use the cluster: addresses, CIDR ranges, or `private_ranges`. Default: everybody.
	Allow []string `json:"allow,omitempty"`

	// The Consul agents to follow. The first keeps the cluster's overrides.
	Consul []*Consul `json:"consul,omitempty"`

	// The Docker engines whose containers are followed.
	Docker []*Docker `json:"docker,omitempty"`

	// The JSON files to follow.
	Files []*File `json:"files,omitempty"`

	// The domains the cluster may serve, as names or `*.example.com` for everything below. Default: every one.
	Domains []string `json:"domains,omitempty"`

	// The Meta keys of services that count (`domain`, `priority`, `fairlead_…`). Default: every one.
	MetaKeys []string `json:"meta_keys,omitempty"`

	// The proxy's own addresses, which the nameserver answers to A and AAAA questions. Default: it answers those of the members.
	AnswerEdge []string `json:"answer_edge,omitempty"`

	// Settings of every pool of the cluster, by key. They win over those of all clusters.
	Defaults pool.Settings `json:"defaults,omitempty"`

	// Settings of one domain of the cluster, by its name without prefix.
	DomainSettings map[string]pool.Settings `json:"domain_settings,omitempty"`

	// How long instances that vanished all at once are held at most. Default: 15m.
	VanishHold caddy.Duration `json:"vanish_hold,omitempty"`

	// Which issuer certifies the cluster's names on demand: `internal`, so that they reach no public log, or `policy`, the one of Caddy's
	// automation policy. Default: `internal` for a cluster with a prefix, else `policy`.
	Certificates string `json:"certificates,omitempty"`
}

// Consul is one agent.
type Consul struct {
	// host:port, http://host:port or https://host:port. Default: 127.0.0.1:8500.
	Address string `json:"address,omitempty"`

	// A placeholder that gives the ACL token, such as `{env.CONSUL_HTTP_TOKEN}`. A literal token is refused, as everybody with access to
	// the admin endpoint could read it there.
	Token string `json:"token,omitempty"`

	// A file that holds the ACL token; it is read again when it changes.
	TokenFile string `json:"token_file,omitempty"`

	TLS *ConsulTLS `json:"tls,omitempty"`

	// Another datacenter than the agent's own.
	Datacenter string `json:"datacenter,omitempty"`

	// Lets any server answer, not the leader alone.
	Stale bool `json:"stale,omitempty"`

	// The most blocking queries kept open. Default: 100.
	MaxWatches int `json:"max_watches,omitempty"`

	// How long the one query waits whose silence betrays a dead connection. Default: 60s.
	Canary caddy.Duration `json:"canary,omitempty"`

	// How long a query that does not wait may take. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

// ConsulTLS says how an agent's HTTPS port is verified and what we show it. Files are in PEM.
type ConsulTLS struct {
	CAFile             string `json:"ca_file,omitempty"`
	CertFile           string `json:"cert_file,omitempty"`
	KeyFile            string `json:"key_file,omitempty"`
	ServerName         string `json:"server_name,omitempty"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify,omitempty"`
}

// File is a catalogue in a JSON file.
type File struct {
	Path string `json:"path,omitempty"`

	// How often the file is looked at. Default: 1s.
	Poll caddy.Duration `json:"poll,omitempty"`
}
