package healer

import (
	"context"
	"time"
)

// Event is what people are told of.
type Event string

// The events. Warning and Critical are the states of a service; they are repeated while they last, and Healed ends them.
const (
	TooMany Event = "warning"
	TooFew  Event = "critical"
	Healed  Event = "healed"
	GaveUp  Event = "gave_up"
	Doubted Event = "doubt"
	Frozen  Event = "frozen"
)

// Notice is one message to people.
type Notice struct {
	// Key is the same for notices of the same matter, which are sent once and then repeated on schedule.
	Key     string    `json:"key"`
	Event   Event     `json:"event"`
	Cluster string    `json:"cluster,omitempty"`
	Service string    `json:"service,omitempty"`
	Text    string    `json:"text"`
	Since   time.Time `json:"since"`
	// Resolved ends the matter.
	Resolved bool `json:"resolved,omitempty"`
}

// Notifier tells people. Notify queues and returns at once; a receiver that is dead delays nothing. Run sends until ctx ends.
type Notifier interface {
	Notify(n Notice)
	Run(ctx context.Context) error
}
