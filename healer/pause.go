package healer

import (
	"errors"
	"fmt"
	"time"
)

// Scope is what a pause stops.
type Scope string

// The scopes of a pause. Brake is none of healing but of the fleet brake: as long as it lasts, the brake does not hold.
const (
	PauseAll     Scope = "all"
	PauseService Scope = "service"
	PauseHost    Scope = "host"
	PauseBrake   Scope = "brake"
)

// Pause is an operator's order to leave something alone. It has an end, since a healer that was forgotten in a pause is none.
type Pause struct {
	Scope Scope `json:"scope"`
	// Name is the service's domain or the host's node name; empty for the other scopes.
	Name    string    `json:"name,omitempty"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// ErrBadPause: the order itself is wrong.
var ErrBadPause = errors.New("bad pause")

// check refuses a pause that nobody could answer for.
func (p *Pause) check(now time.Time) error {
	switch p.Scope {
	case PauseAll, PauseBrake:
		if p.Name != "" {
			return fmt.Errorf("%w: the scope %s has no name", ErrBadPause, p.Scope)
		}
	case PauseService, PauseHost:
		if p.Name == "" {
			return fmt.Errorf("%w: which %s?", ErrBadPause, p.Scope)
		}
	default:
		return fmt.Errorf("%w: %q is none of all, service, host and brake", ErrBadPause, p.Scope)
	}
	if p.Author == "" || p.Reason == "" {
		return fmt.Errorf("%w: want an author and a reason", ErrBadPause)
	}
	if !p.Expires.After(now) {
		return fmt.Errorf("%w: want an end in the future", ErrBadPause)
	}
	return nil
}

// String says who paused and why.
func (p *Pause) String() string {
	what := string(p.Scope)
	if p.Name != "" {
		what += " " + p.Name
	}
	return fmt.Sprintf("%s, by %s: %s", what, p.Author, p.Reason)
}

// holds reports whether a pause is in force. If the clock was set, both the time as it runs for us and that on the wall must have
// come to its end.
func (p *Pause) holds(now, wall time.Time) bool {
	return now.Before(p.Expires) || wall.Before(p.Expires)
}
