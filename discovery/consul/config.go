package consul

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// TLS says how an agent's HTTPS port is verified and what we show it. Files are in PEM.
type TLS struct {
	CAFile     string // authorities to trust instead of the system's
	CertFile   string // our certificate, for an agent with verify_incoming
	KeyFile    string
	ServerName string // name to verify instead of the address's host
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool
}

// Config says which agent to ask and how. Zero values mean the defaults named.
type Config struct {
	// Cluster is the name of the cluster the instances belong to.
	Cluster string
	// Address is host:port, http://host:port or https://host:port of an agent, best the local one. 127.0.0.1:8500 by default.
	Address string
	// Token is the ACL token; TokenFile a file that holds it, read again whenever it changes. Consul's environment variables
	// are not read: they would give every cluster the same token.
	Token     string
	TokenFile string
	TLS       TLS
	// Datacenter asks for another datacenter than the agent's own.
	Datacenter string
	// Stale lets any server answer watches, not the leader alone. What a watch only hints at, and every confirmation, is still
	// asked of the leader.
	Stale bool

	MaxWatches int // blocking queries kept open at the most (100)
	Readers    int // single reads under way at once (8)
	// Wait is the longest of a blocking query (1m). An agent counts a connection that was closed during a query, by a restart of
	// ours perhaps, among this host's until the wait is over.
	Wait       time.Duration
	Canary     time.Duration // of the one query whose silence betrays a dead connection (60s)
	Margin     time.Duration // on top of wait and Consul's jitter of wait/16 (5s)
	Timeout    time.Duration // of a read that does not block (10s)
	Interval   time.Duration // between the answers of one watch, after a burst of two (10ms)
	MaxPause   time.Duration // between answers that are large, at the longest (1s)
	BackoffMin time.Duration // after a first failure (250ms)
	BackoffMax time.Duration // after many (5s)
	Patience   time.Duration // how long the first complete answer waits for a service that does not answer (2s)
	Gather     time.Duration // between reports until the first complete answer (100ms)
	Sweep      time.Duration // in which everything is read once more when watches are hints (15m)
	KeepAlive  time.Duration // between TCP keep-alive probes (15s)
	Logger     *slog.Logger  // nil: silent
}

func (c Config) withDefaults() Config {
	if c.Address == "" {
		c.Address = "127.0.0.1:8500"
	}
	if !strings.Contains(c.Address, "://") {
		c.Address = "http://" + c.Address
	}
	orInt(&c.MaxWatches, 100)
	orInt(&c.Readers, 8)
	orTime(&c.Wait, time.Minute)
	orTime(&c.Canary, time.Minute)
	orTime(&c.Margin, 5*time.Second)
	orTime(&c.Timeout, 10*time.Second)
	orTime(&c.Interval, 10*time.Millisecond)
	orTime(&c.MaxPause, time.Second)
	orTime(&c.BackoffMin, 250*time.Millisecond)
	orTime(&c.BackoffMax, 5*time.Second)
	orTime(&c.Patience, 2*time.Second)
	orTime(&c.Gather, 100*time.Millisecond)
	orTime(&c.Sweep, 15*time.Minute)
	orTime(&c.KeepAlive, 15*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orInt(v *int, otherwise int) {
	if *v == 0 {
		*v = otherwise
	}
}

func orTime(v *time.Duration, otherwise time.Duration) {
	if *v == 0 {
		*v = otherwise
	}
}

// validate names what can never work; c has its defaults.
func (c Config) validate() error {
	if c.Cluster == "" {
		return errors.New("consul: no cluster named")
	}
	u, err := url.Parse(c.Address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("consul: address %q: want host:port, http://host:port or https://host:port", c.Address)
	}
	if c.Token != "" && c.TokenFile != "" {
		return errors.New("consul: both a token and a token file are given: give one")
	}
	if u.Scheme == "http" && c.TLS != (TLS{}) {
		return fmt.Errorf("consul: TLS is set but the address %q is not https://", c.Address)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return errors.New("consul: a client certificate needs both its file and its key file")
	}
	if c.MaxWatches < 4 || c.Readers < 1 {
		return fmt.Errorf("consul: %d watches and %d readers: at least 4 and 1 are needed", c.MaxWatches, c.Readers)
	}
	for _, t := range []time.Duration{c.Wait, c.Canary, c.Margin, c.Timeout, c.Interval, c.MaxPause, c.BackoffMin, c.BackoffMax, c.Patience, c.Gather, c.Sweep, c.KeepAlive} {
		if t < 0 {
			return fmt.Errorf("consul: a time of %s is negative", t)
		}
	}
	return nil
}
