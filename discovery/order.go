package discovery

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// OrderKind is what an order tells a host to do.
type OrderKind string

const (
	// StopContainer stops one container, for its runtime to replace.
	StopContainer OrderKind = "stop"
	// DrainHost makes the host leave every rotation and take nothing new; UndrainHost lets it come back.
	DrainHost   OrderKind = "drain"
	UndrainHost OrderKind = "undrain"
)

// Order tells the agent of one host to do something once. It is a document of the shared state, at OrderKey, written by its author and
// answered in place by the agent, which claims it first by compare-and-set.
type Order struct {
	// ID is unique on its host, and the last segment of the key.
	ID   string    `json:"id"`
	Kind OrderKind `json:"kind"`
	// Container is the full ID of the container that a stop is for.
	Container string    `json:"container,omitempty"`
	Author    string    `json:"author"`
	Reason    string    `json:"reason"`
	Issued    time.Time `json:"issued"`
	// Expires is when the order is void unless it has been claimed: by the agent's clock.
	Expires time.Time `json:"expires"`

	// ClaimedBy names the one agent process that may carry the order out, ClaimedAt says since when.
	ClaimedBy string    `json:"claimed_by,omitempty"`
	ClaimedAt time.Time `json:"claimed_at,omitzero"`
	// Result is nil until the agent has answered.
	Result *OrderResult `json:"result,omitempty"`
}

// Outcome is how an order ended.
type Outcome string

const (
	// OrderDone: it was carried out.
	OrderDone Outcome = "done"
	// OrderGone: the container is not on the host any more, and nothing was done.
	OrderGone Outcome = "gone"
	// OrderRefused: the agent does not do that, and nothing was done.
	OrderRefused Outcome = "refused"
	// OrderExpired: it was void before an agent could claim it, and nothing was done.
	OrderExpired Outcome = "expired"
	// OrderFailed: the engine was told and says no.
	OrderFailed Outcome = "failed"
	// OrderUnknown: the engine gave no answer, or the agent that had claimed it never answered.
	OrderUnknown Outcome = "unknown"
)

// OrderResult is an agent's answer.
type OrderResult struct {
	Outcome Outcome   `json:"outcome"`
	Text    string    `json:"text,omitempty"`
	At      time.Time `json:"at"`
}

// OrdersPrefix is where the orders to a host are.
func OrdersPrefix(node string) string { return "fairlead/hosts/" + node + "/orders/" }

// OrderKey is the key of an order to a host.
func OrderKey(node, id string) string { return OrdersPrefix(node) + id }

// CheckNode says what is wrong with a host's name as a segment of keys.
func CheckNode(node string) error {
	if !isSegment(node) {
		return fmt.Errorf("%q cannot be a host's name in the shared state", node)
	}
	return nil
}

// Check says what is wrong with an order.
func (o *Order) Check() error {
	switch {
	case !isSegment(o.ID):
		return fmt.Errorf("order %q: that cannot be an ID", o.ID)
	case o.Author == "" || o.Reason == "":
		return fmt.Errorf("order %s: it names no author or no reason", o.ID)
	case o.Expires.IsZero():
		return fmt.Errorf("order %s: it never expires", o.ID)
	}
	switch o.Kind {
	case StopContainer:
		if !isContainerID(o.Container) {
			return fmt.Errorf("order %s: %q is not the full ID of a container", o.ID, o.Container)
		}
	case DrainHost, UndrainHost:
		if o.Container != "" {
			return errors.New("order " + o.ID + ": a host is drained, not a container")
		}
	default:
		return fmt.Errorf("order %s: nothing is called %q", o.ID, o.Kind)
	}
	return nil
}

func isSegment(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\\?#%")
}

// isContainerID reports whether s is a container's full ID: 64 hexadecimal digits, as the Docker API gives them.
func isContainerID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
