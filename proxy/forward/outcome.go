package forward

import (
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Outcome is what became of a request, for access logs. It is filled in while the request is served and complete once Serve has
// returned or panicked.
type Outcome struct {
	Domain string
	// Pool and Member are those of the last attempt, nil before there was one.
	Pool   *pool.Pool
	Member *pool.Member
	// Attempts counts the members tried; Queued is how long the request waited for a place.
	Attempts int
	Queued   time.Duration
	// Latency is the time the answering member took for the head of its response; Status the status it answered with.
	Latency time.Duration
	Status  int
	// Sent and Received count the bytes of the bodies sent to and received from the member, tunnels included.
	Sent, Received int64
	// Problem says what went wrong after the response had begun.
	Problem string
}
