package health

import (
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// target is one question to one instance. Pools that ask the same share the answer; an instance that moves to another address, or
// is asked for another path, is another target.
type target struct {
	instance, addr string
	// host and path are those of an HTTP check; both are empty for a TCP connect.
	host, path string
	h2c        bool
}

// String names the check to operators; the instance is known from where it is shown.
func (t target) String() string {
	if t.path == "" {
		return "tcp " + t.addr
	}
	return "GET " + t.path + " of " + t.host + " at " + t.addr
}

// terms say how often a target is asked and what counts.
type terms struct {
	interval, timeout    time.Duration
	rise, fall           int
	statusMin, statusMax int
}

// targetOf returns what a pool's policy asks a member. The Host header is what clients would send: the domain with the cluster's
// prefix, the name below the star for a wildcard, and the bare name for a service without a domain.
func targetOf(prefix string, p *pool.Pool, m *pool.Member) target {
	t := target{instance: m.ID(), addr: m.Addr}
	if p.Spec.Check == "tcp" {
		return t
	}
	t.host = strings.TrimPrefix(p.Name, "*.")
	if strings.Contains(t.host, ".") && !strings.HasPrefix(t.host, prefix) {
		t.host = prefix + t.host
	}
	t.path, t.h2c = p.Spec.Check, p.Spec.Protocol == "h2c"
	return t
}

func termsOf(s *pool.Spec) terms {
	return terms{
		interval: s.CheckInterval, timeout: s.CheckTimeout,
		rise: s.CheckRise, fall: s.CheckFall,
		statusMin: s.CheckStatusMin, statusMax: s.CheckStatusMax,
	}
}
