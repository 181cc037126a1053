package discovery

import (
	"context"
	"time"
)

// Source finds instances. Run reports until ctx ends and returns ctx's error then; it retries what fails by itself, so that any
// other error means the source can never work as configured. It tells what it sees and holds no opinion: the Catalog judges.
//
// known holds the facts this source reported in an earlier life of the process (from the snapshot file), or is nil; a source that
// can tell an honest empty answer from a lying one compares its first answers with it. report may be called from several
// goroutines and does not block for long; what is handed to it is not changed afterwards.
type Source interface {
	// Name names the source uniquely in its cluster, for operators: "consul 127.0.0.1:8500".
	Name() string
	Run(ctx context.Context, known map[string]*Service, report func(Update)) error
}

// Update is what a source has to say: complete sets of instances of the services named in it.
type Update struct {
	// Services holds the full set of each service it names. An empty set means that the source has made sure the service has
	// no instance any more; a service not named is as it was, unless Complete.
	Services map[string]*Service
	// Complete says that Services names every service the source knows: others are gone, and the source is ready.
	Complete bool
	// Trusted says that what this update removes is gone by its owner's own hand (a file he edits): the Catalog believes it at once
	// and does not count it towards a mass.
	Trusted bool
	// Status replaces the source's state as shown to operators.
	Status SourceStatus
}

// SourceStatus is what an operator can know of a source.
type SourceStatus struct {
	Name string `json:"name"`
	// Ready is true once the source has given a complete answer in this life of the process.
	Ready bool `json:"ready"`
	// LastAnswer is when the source last gave an answer that was believed, of any of its services.
	LastAnswer time.Time `json:"last_answer,omitzero"`
	// Index is the source's own version of that answer (X-Consul-Index), 0 where it has none.
	Index uint64 `json:"index,omitempty"`
	// Watches is the number of requests the source keeps open; Strategy the way it follows changes.
	Watches  int    `json:"watches,omitempty"`
	Strategy string `json:"strategy,omitempty"`
	// Doubts are the reasons why its present silence or answers are not believed.
	Doubts []Doubt `json:"doubts,omitempty"`
	// Refused are what the source finds and does not let count, with the reasons: containers with labels that cannot be understood, ports
	// without an address that others can reach. Everything else goes on.
	Refused []string `json:"refused,omitempty"`
}

// DoubtKind tells why a catalog does not believe what it hears.
type DoubtKind string

const (
	// SourceDoubt: the source errs, times out, has no leader, answers garbage, was filtered by ACL, or its index fell.
	SourceDoubt DoubtKind = "source"
	// ShrinkDoubt: present instances vanished from an answer and that is not confirmed yet.
	ShrinkDoubt DoubtKind = "shrink"
	// MassDoubt: at least three and at least half of the present instances of a cluster or node vanished within two seconds.
	MassDoubt DoubtKind = "mass"
)

// Doubt is one reason why facts are kept that are no longer confirmed. Every doubt ends: a source's with its next complete
// answer, a mass at Until at the latest.
type Doubt struct {
	Kind DoubtKind `json:"kind"`
	// Service is the service it is about; empty for the whole source or cluster.
	Service string    `json:"service,omitempty"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"`
}
