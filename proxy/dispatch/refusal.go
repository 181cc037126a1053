package dispatch

import (
	"time"

	"github.com/fairlead/fairlead/proxy/route"
)

// Cause is a stable word for why a request was not answered, for logs and metrics.
type Cause string

// The causes. Undecided stands for every refusal by route; its Code tells more.
const (
	Undecided     Cause = "undecided"
	BadRequest    Cause = "bad_request"
	BodyTimeout   Cause = "request_body_timeout"
	TooLarge      Cause = "request_too_large"
	Unsupported   Cause = "unsupported"
	TooEarly      Cause = "too_early"
	QueueFull     Cause = "queue_full"
	QueueTimeout  Cause = "queue_timeout"
	NoMemberLeft  Cause = "no_member_left"
	ConnectFailed Cause = "connect_failed"
	Forbidden     Cause = "forbidden_address"
	Timeout       Cause = "response_timeout"
	Broken        Cause = "broken_response"
	ClientGone    Cause = "client_gone"
)

// StatusClientGone is the status noted for a request whose client left before the answer, as nginx does. Nobody gets to see it.
const StatusClientGone = 499

// Refusal is the answer to a request that no member answered. Nothing has been written to the client.
type Refusal struct {
	// Status is the HTTP status to answer with: 4xx for what the client asked, 502 and 504 for what members did, 503 where none can
	// take the request at present.
	Status int
	// Reason is a sentence for operators; it may name addresses and is not for the client.
	Reason string
	// RetryAfter is how long the client should wait, 0 if nothing is known about that.
	RetryAfter time.Duration
	// Code is the decision's; OK if a pool was found.
	Code  route.Code
	Cause Cause
}

// Word returns the stable word for why: the decision's code, or the cause if a pool was found.
func (f *Refusal) Word() string {
	if f.Cause == Undecided {
		return f.Code.String()
	}
	return string(f.Cause)
}

// How long clients are asked to wait where nothing tells us better.
const (
	unreadyWait = 2 * time.Second
	nobodyWait  = 5 * time.Second
)

// Undecided is the answer where the decision's code is not OK.
func (j *Job) Undecided() *Refusal {
	f := &Refusal{Status: j.Decision.Code.Status(), Reason: j.Decision.Reason(), Code: j.Decision.Code, Cause: Undecided}
	switch j.Decision.Code {
	case route.ClusterUnready:
		f.RetryAfter = unreadyWait
	case route.NoMember:
		f.RetryAfter = nobodyWait
	}
	return f
}
