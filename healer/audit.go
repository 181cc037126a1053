package healer

import (
	"sync"
	"time"
)

// AuditEntry is one decision, or what became of it.
type AuditEntry struct {
	At      time.Time `json:"at"`
	Cluster string    `json:"cluster"`
	Service string    `json:"service,omitempty"`
	What    string    `json:"what"`
	Reason  string    `json:"reason,omitempty"`

	kind auditKind
}

// auditKind tells apart what is counted.
type auditKind uint8

const (
	verified auditKind = iota + 1
	failed
	fenced
	gaveUp
)

// audit keeps the latest decisions. Safe for concurrent use.
type audit struct {
	mu    sync.Mutex
	size  int
	next  int // where the next goes once it is full
	lines []AuditEntry
}

func (a *audit) add(e AuditEntry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.lines) < a.size {
		a.lines = append(a.lines, e)
		return
	}
	a.lines[a.next] = e
	a.next = (a.next + 1) % a.size
}

// entries returns what is kept, the oldest first.
func (a *audit) entries() []AuditEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(append(make([]AuditEntry, 0, len(a.lines)), a.lines[a.next:]...), a.lines[:a.next]...)
}
