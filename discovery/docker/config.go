package docker

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// DefaultHost is where an engine listens unless told otherwise.
const DefaultHost = "unix:///var/run/docker.sock"

// TLS names the files, in PEM, by which we and an engine on TCP know each other.
type TLS struct {
	CAFile, CertFile, KeyFile string
}

// Config says which engine to ask and what of its containers counts. Zero values mean the defaults named.
type Config struct {
	// Cluster is the name of the cluster the instances belong to.
	Cluster string
	// Node is the name of the host: a part of every instance's ID, so it must last and be unique in the cluster. Empty: the engine's
	// own name, which is that of the host, also when Fairlead itself runs in a container.
	Node string
	// Host is the engine's address, unix:///path or tcp://host:port (DefaultHost). Docker's environment variables are not read.
	Host string
	TLS  TLS

	// Advertise are the addresses, one of each family at the most, that stand for ports published on all addresses of the host, and
	// for containers in the host's network. At least one is needed unless Internal is set.
	Advertise []netip.Addr
	// PreferIPv6 takes a port's IPv6 address where it has one of each family; IPv4 otherwise.
	PreferIPv6 bool
	// AllowLoopback, AllowLinkLocal and AllowBridge let addresses through that others than this host, or containers on it, cannot
	// reach as a rule.
	AllowLoopback, AllowLinkLocal, AllowBridge bool
	// Internal makes every exposed port an instance at the container's own address in Network, or in its only network if empty.
	Internal bool
	Network  string
	// Explicit leaves out containers that do not say SERVICE_NAME.
	Explicit bool

	Interval   time.Duration // between two lists of the containers (30s)
	Timeout    time.Duration // of a request (10s)
	Settle     time.Duration // from an event to the list that follows it (250ms)
	Gather     time.Duration // between two reports (20ms)
	Patience   time.Duration // how long the first report waits for a container that the engine cannot be asked about (2s)
	Survive    time.Duration // after which a container that got its stop signal and still runs is asked whether it stays (30s)
	Sweep      time.Duration // in which each container is asked for anew although nothing hints at a change (15m)
	SignOfLife time.Duration // between two reports that the engine still answers (1m)
	BackoffMin time.Duration // after a first failure (250ms)
	BackoffMax time.Duration // after many (30s)
	Readers    int           // containers asked for at once (16)
	Logger     *slog.Logger  // nil: silent
}

func (c Config) withDefaults() Config {
	if c.Host == "" {
		c.Host = DefaultHost
	}
	for _, d := range []struct {
		setting   *time.Duration
		otherwise time.Duration
	}{
		{&c.Interval, 30 * time.Second}, {&c.Timeout, 10 * time.Second}, {&c.Settle, 250 * time.Millisecond},
		{&c.Gather, 20 * time.Millisecond}, {&c.Patience, 2 * time.Second}, {&c.Survive, 30 * time.Second},
		{&c.Sweep, 15 * time.Minute}, {&c.SignOfLife, time.Minute},
		{&c.BackoffMin, 250 * time.Millisecond}, {&c.BackoffMax, 30 * time.Second},
	} {
		if *d.setting == 0 {
			*d.setting = d.otherwise
		}
	}
	if c.Readers == 0 {
		c.Readers = 16
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate names what can never work; c has its defaults.
func (c Config) validate() error {
	if c.Cluster == "" {
		return errors.New("docker: no cluster named")
	}
	scheme, rest, _ := strings.Cut(c.Host, "://")
	if scheme != "unix" && scheme != "tcp" || rest == "" {
		return fmt.Errorf("docker: host %q: want unix:///path or tcp://host:port", c.Host)
	}
	if c.TLS != (TLS{}) && scheme != "tcp" {
		return fmt.Errorf("docker: TLS is set but the host %q is not tcp://", c.Host)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return errors.New("docker: a client certificate needs both its file and its key file")
	}
	if c.Readers < 1 {
		return fmt.Errorf("docker: %d readers: at least 1 is needed", c.Readers)
	}
	if c.Network != "" && !c.Internal {
		return fmt.Errorf("docker: the network %q is named without internal addresses being asked for: set both or neither", c.Network)
	}
	for _, t := range []time.Duration{
		c.Interval, c.Timeout, c.Settle, c.Gather, c.Patience, c.Survive, c.Sweep, c.SignOfLife, c.BackoffMin, c.BackoffMax,
	} {
		if t < 0 {
			return fmt.Errorf("docker: a time of %s is negative", t)
		}
	}
	return c.checkAdvertise()
}

func (c Config) checkAdvertise() error {
	if len(c.Advertise) == 0 && !c.Internal {
		return errors.New("docker: no advertise address: name the address at which others reach this host's published ports")
	}
	var four, six int
	for _, a := range c.Advertise {
		if reason := (addressRule{c: c}).refuse(a); reason != "" {
			return fmt.Errorf("docker: advertise address: %s", reason)
		}
		if a.Unmap().Is4() {
			four++
		} else {
			six++
		}
	}
	if four > 1 || six > 1 {
		return fmt.Errorf("docker: advertise addresses %v: want one of each family at the most", c.Advertise)
	}
	return nil
}
