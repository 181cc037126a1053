package pool

import (
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// Snapshot is the state all decisions read, immutable once published. A reader loads it once per request, query or page.
type Snapshot struct {
	// Version rises by one with every published snapshot; every face shows it, so that one can see that they agree.
	Version uint64
	// Clusters in the order of the configuration; at most one has an empty prefix.
	Clusters []*Cluster
	// Trusted are the networks of proxies in front, whose own addresses in Forwarded and X-Forwarded-For do not count.
	Trusted []netip.Prefix

	due time.Time // the earliest of all pools
}

// Next returns when Build has to run again although its input stays as it is, because a slow start goes on or an override
// expires; false where nothing waits for the clock.
func (s *Snapshot) Next() (at time.Time, ok bool) { return s.due, !s.due.IsZero() }

// Cluster is one catalogue of instances as it is served.
type Cluster struct {
	Name string
	// Prefix marks the names of this cluster ("test."), lower case with its dot; empty for the cluster of all other names.
	Prefix string
	// Allow lists the client networks that may use the cluster; nil allows everybody, empty nobody.
	Allow []netip.Prefix
	// Ready is false until the cluster has had facts: its names get 503 until then, never 404.
	Ready bool
	// Exact maps a normalised domain (lower case, no trailing dot, A-labels, without Prefix) to its pool; a domain that a service
	// claims by its full prefixed name stands here under that full name. Wildcard maps "example.com" to the pool of
	// "*.example.com". Services maps every service's name in lower case to its pool, whether or not it serves a domain; to that of
	// the first of its domains if it serves several.
	Exact, Wildcard, Services map[string]*Pool
	// Refused are the claims and names that are not served, with the reason.
	Refused []Refusal
	// DNS says how the nameserver answers for this cluster.
	DNS DNSAnswer
	// Facts is what the cluster was built from. Services, readiness and doubts are of this moment; other parts of a source's status
	// (its last answer, its index) may be older than those of the catalog, since they alone make no new snapshot.
	Facts *discovery.Facts

	memo *memo
}

// Refusal is a domain a service asked for and does not get.
type Refusal struct {
	Domain  string `json:"domain"`
	Service string `json:"service"`
	Reason  string `json:"reason"`
}

// DNSAnswer chooses what A and AAAA questions get; SRV questions always get the members.
type DNSAnswer struct {
	// Edge are the addresses of the proxy itself, answered where set; members' addresses otherwise.
	Edge []netip.Addr
}

// Pool is the named set a domain is balanced over.
type Pool struct {
	// Name is the domain, or the service's name for a pool that serves no domain; wildcards stand as "*.example.com".
	Name    string
	Cluster string
	Service string
	Spec    *Spec
	// Members are all instances of the service, by ID; Groups the same members by priority, highest first.
	Members []*Member
	Groups  []*Group
	// Lineups[k] are the members that are up in the k+1 highest groups, so there are as many as Groups. Joined is the index of the
	// one that takes traffic while no member is at its connection limit; -1 when nobody is up.
	Lineups []*Lineup
	Joined  int
	// Why tells in a sentence why that many groups have joined.
	Why string
	// Problems are settings of the service that were refused, each with its key and reason, settings in which its copies differ,
	// and overrides that are void.
	Problems []string
	Meter    *PoolMeter

	due time.Time // when the pool has to be built again although its input stays as it is; zero for never
}

// Group is a priority group: the members of one priority.
type Group struct {
	Priority int
	Members  []*Member
	Up       int
}

// Lineup is a set of members to choose from, with what the policies need prepared. Immutable.
type Lineup struct {
	Members []*Member
	// Schedule is one round of smooth weighted round robin: indexes into Members.
	Schedule []uint16
	// Weight is the sum of the members' weights.
	Weight int
}
