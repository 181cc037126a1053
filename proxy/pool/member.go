package pool

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// State is what a member may be used for. Only active members take new traffic; the zero value is Down.
type State uint8

const (
	// Down takes nothing: unhealthy at its source, failed our checks, ejected, or refused.
	Down State = iota
	// Active takes traffic.
	Active
	// Draining finishes what it has, and what is bound to it by a cookie.
	Draining
	// Disabled takes nothing, by an operator's order or its source's maintenance mode.
	Disabled
)

var stateNames = [...]string{"down", "active", "draining", "disabled"}

// String returns the state's word.
func (s State) String() string { return stateNames[s] }

// MarshalText writes the state's word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Member is an instance seen through a pool's policy. Immutable but for its Meter.
type Member struct {
	Instance *discovery.Instance
	// Addr is the host:port to dial.
	Addr     string
	Priority int
	// Weight is the effective share, at least 1 for an active member, after overrides and slow start.
	Weight int
	State  State
	// Reason says why the member is in its state; empty for a plainly active one.
	Reason string
	// UpSince is when it last became active, for slow start; zero where it was so from the pool's beginning.
	UpSince time.Time
	// Limit is the most requests it may have in flight, 0 for no limit.
	Limit int64
	Meter *Meter
	// Hash is IDHash of the instance's ID: its place in consistent hashing, and its token in a cookie.
	Hash uint64
}

// IDHash returns the hash by which an instance is known outside: the same in every process, so that several edges agree, and of
// one way, since instance IDs name hosts.
func IDHash(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// ID is the instance's ID.
func (m *Member) ID() string { return m.Instance.ID }

// Full reports whether the member is at its connection limit.
func (m *Member) Full() bool { return m.Limit > 0 && m.Meter.InFlight.Load() >= m.Limit }
