package pool

import "sync/atomic"

// Table publishes snapshots: one writer, any number of readers, no lock.
type Table struct{ current atomic.Pointer[Snapshot] }

// NewTable returns a table that holds an empty snapshot.
func NewTable() *Table {
	t := new(Table)
	t.current.Store(new(Snapshot))
	return t
}

// Load returns the newest snapshot, never nil. Read it once per decision.
func (t *Table) Load() *Snapshot { return t.current.Load() }

// Store publishes s. Only the owner of the writer loop calls it.
func (t *Table) Store(s *Snapshot) { t.current.Store(s) }
