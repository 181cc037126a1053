package pool

import (
	"maps"
	"slices"
	"time"
)

// Spec is the policy of one pool, after every layer of settings has been applied. Immutable once in a snapshot.
type Spec struct {
	// Policy names how a member is chosen: round_robin, least_conn, random, peak_ewma or hash. HashOn is what hash looks at:
	// client_ip, host, path, header NAME or cookie NAME. HashBalance is the most a member may carry, in percent of the mean.
	Policy      string
	HashOn      string
	HashBalance int
	// MinActive is the number of active members below which the next lower priority group joins (F5: priority group activation).
	MinActive int
	// Priorities gives the priority of a member by its tag; the highest of its tags counts, 0 if none does.
	Priorities map[string]int
	// ServeWarning keeps instances in Consul's state warning in service.
	ServeWarning bool
	// SlowStart is how long a member that comes up is brought to its full weight; 0 for at once.
	SlowStart time.Duration

	// MaxConns limits the requests in flight in the pool, MemberMaxConns those of each member; 0 for no limit. What is above
	// waits, at most Queue of them and for at most QueueTimeout.
	MaxConns, MemberMaxConns int
	Queue                    int
	QueueTimeout             time.Duration

	// Sticky is the name of the cookie that binds a client to a member; empty for none.
	Sticky string

	// Retries is how many further members are tried; RetryBuffer how many bytes of a body are kept for that.
	// RetryBudget is the most retries, in percent of the pool's requests.
	Retries, RetryBuffer, RetryBudget int

	// ConnectTimeout bounds dialling; ResponseTimeout the wait for a response's head; StallTimeout a body's silence in either direction;
	// TunnelTimeout the silence of an upgraded connection; Keepalive how long an unused connection to a member is kept.
	ConnectTimeout, ResponseTimeout, StallTimeout, TunnelTimeout, Keepalive time.Duration

	// Protocol is what the members speak: auto (HTTP/1.1, and HTTP/2 in clear for gRPC), http1 or h2c.
	Protocol string

	// EjectFailures within EjectWindow, in a row, take a member out for EjectFor, doubled each time up to ten times. 0 never ejects.
	EjectFailures         int
	EjectWindow, EjectFor time.Duration

	// Check is off, tcp, or the path of an HTTP check.
	Check                          string
	CheckInterval, CheckTimeout    time.Duration
	CheckRise, CheckFall           int
	CheckStatusMin, CheckStatusMax int

	// Origin tells which layer gave each setting that is not a built-in default.
	Origin map[string]string
}

// DefaultSpec returns the built-in policy. The caller owns it.
func DefaultSpec() *Spec {
	return &Spec{
		Policy: "round_robin", HashOn: "client_ip", HashBalance: 125,
		MinActive: 1, Priorities: map[string]int{"master": 10, "slave": 9},
		ServeWarning: true,
		Queue:        100, QueueTimeout: 5 * time.Second,
		Retries: 2, RetryBuffer: 64 << 10, RetryBudget: 20,
		ConnectTimeout: 2 * time.Second, ResponseTimeout: 60 * time.Second, StallTimeout: 60 * time.Second,
		TunnelTimeout: time.Hour, Keepalive: 60 * time.Second,
		Protocol:      "auto",
		EjectFailures: 5, EjectWindow: 10 * time.Second, EjectFor: 10 * time.Second,
		Check: "off", CheckInterval: 5 * time.Second, CheckTimeout: 2 * time.Second,
		CheckRise: 2, CheckFall: 3, CheckStatusMin: 200, CheckStatusMax: 399,
	}
}

// Clone returns a copy that the caller may change.
func (s *Spec) Clone() *Spec {
	c := *s
	c.Priorities = maps.Clone(s.Priorities)
	c.Origin = maps.Clone(s.Origin)
	return &c
}

// Apply sets every setting of a layer and notes layer as its origin. A setting that is refused leaves the value of the layer
// below; the reasons are returned in the order of the keys.
func (s *Spec) Apply(layer string, settings Settings) (problems []string) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if err := s.Set(key, settings[key]); err != nil {
			problems = append(problems, layer+": "+err.Error())
			continue
		}
		if s.Origin == nil {
			s.Origin = map[string]string{}
		}
		s.Origin[key] = layer
	}
	return problems
}
