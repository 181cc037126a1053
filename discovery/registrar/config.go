package registrar

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/fairlead/fairlead/discovery/consul"
)

// Config says which agent to register with, and how. Zero values mean the defaults named.
type Config struct {
	// Address is host:port, http://host:port or https://host:port of this host's agent (127.0.0.1:8500).
	Address string
	// Token is the ACL token; TokenFile a file that holds it, read again whenever it changes.
	Token     string
	TokenFile string
	TLS       consul.TLS

	// Owner marks what is ours in the agent ("fairlead"). Two registrars on one agent need different ones.
	Owner string
	// Node names this host in what is ours, for ever; by default by the node ID that the agent has in its data, which takes the right
	// agent:read. If it is given, an agent with neither that name nor that node ID is not this host's and is refused.
	Node string
	// Advertise is this host's address as others reach it. An agent that Consul knows by it is this host's, wherever Address points.
	Advertise string
	// AllowRemote lets the agent be another host's. Its checks then run over there, and its death takes our services with it.
	AllowRemote bool
	// Scripts allows check_script and check_cmd: whoever starts a container then runs commands on this host.
	Scripts bool

	Resync        time.Duration // between comparisons while nothing changes (30s)
	Probation     time.Duration // since the start, before ghosts are deregistered (60s)
	RetryMin      time.Duration // after a first failure (1s)
	RetryMax      time.Duration // after many (30s)
	Timeout       time.Duration // of a request to the agent (10s)
	CheckInterval time.Duration // of checks that name none (10s)
	Confirm       time.Duration // between looks whether a drain has reached the servers (50ms)
	Writers       int           // writes under way at once (4)
	Logger        *slog.Logger  // nil: silent
}

func (c Config) withDefaults() Config {
	if c.Address == "" {
		c.Address = "127.0.0.1:8500"
	}
	if c.Owner == "" {
		c.Owner = "fairlead"
	}
	for _, t := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{
		{&c.Resync, 30 * time.Second},
		{&c.Probation, time.Minute},
		{&c.RetryMin, time.Second},
		{&c.RetryMax, 30 * time.Second},
		{&c.Timeout, 10 * time.Second},
		{&c.CheckInterval, 10 * time.Second},
		{&c.Confirm, 50 * time.Millisecond},
	} {
		if *t.value == 0 {
			*t.value = t.otherwise
		}
	}
	if c.Writers == 0 {
		c.Writers = 4
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) hasToken() bool { return c.Token != "" || c.TokenFile != "" }

// name is what an owner or a node may be called: it stands in Meta and in messages.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// validate names what can never work; c has its defaults.
func (c Config) validate() error {
	if !name.MatchString(c.Owner) {
		return fmt.Errorf("registrar: owner %q: want letters, digits, dots, dashes and underscores", c.Owner)
	}
	if c.Node != "" && !name.MatchString(c.Node) {
		return fmt.Errorf("registrar: node %q: want letters, digits, dots, dashes and underscores", c.Node)
	}
	if c.Writers < 1 {
		return fmt.Errorf("registrar: %d writers: at least 1 is needed", c.Writers)
	}
	for _, t := range []time.Duration{c.Resync, c.Probation, c.RetryMin, c.RetryMax, c.Timeout, c.CheckInterval, c.Confirm} {
		if t < 0 {
			return fmt.Errorf("registrar: a time of %s is negative", t)
		}
	}
	if c.RetryMax < c.RetryMin {
		return errors.New("registrar: the longest pause between retries is shorter than the shortest")
	}
	return nil
}
