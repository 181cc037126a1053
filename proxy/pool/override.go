package pool

import "time"

// Action is what an operator orders for one instance.
type Action string

// The actions. Weight sets the member's weight instead of the registered one.
const (
	Drain   Action = "drain"
	Disable Action = "disable"
	Weight  Action = "weight"
)

// Override is an operator's order for one instance; it wins over facts, Meta and configuration.
type Override struct {
	Instance string `json:"instance"`
	Action   Action `json:"action"`
	Weight   int    `json:"weight,omitempty"` // 1 to 65535, with Action Weight
	// Address is the instance's host:port when the order was given: the override is void if it reappears elsewhere.
	Address string    `json:"address"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // never, if zero
}

// Verdict is what our own checks say of one instance.
type Verdict struct {
	Down   bool
	Reason string
	// Since is when the verdict came to be what it is.
	Since time.Time
	// Address is the host:port the verdict is about; it says nothing of the instance once that stands elsewhere.
	Address string
	// Ejected marks a passive ejection, which may never take a group's last member nor more than half of it; unless it is Refused, for
	// refused connections only, and somebody else of the pool is well.
	Ejected, Refused bool
}
