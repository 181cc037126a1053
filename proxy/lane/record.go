package lane

import (
	"net"
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Record is what became of a request, for access logs and metrics. Its strings are valid while Site.Ended runs.
type Record struct {
	Remote netip.AddrPort
	// SNI is the name asked for by TLS; Secure says that there was TLS.
	SNI    string
	Secure bool
	// Conn is the connection as the lane got it, which knows more of its TLS; nil where the engine has no such thing.
	Conn net.Conn

	Method, Target, Host string
	// Fields are those of the request as the client sent them.
	Fields []http1.Field

	Start    time.Time
	Duration time.Duration
	// Status is what the client got, dispatch.StatusClientGone if it had left before an answer. Sent and Received count the bytes of the
	// bodies sent to and received from the client's side: Received is the request's, Sent the response's.
	Status         int
	Received, Sent int64
	// Response are the fields of the response as its member sent them, where Site.KeepResponse asks for them; nil for a refusal.
	Response []http1.Field

	Domain   string
	Pool     *pool.Pool
	Member   *pool.Member
	Attempts int
	// Queued is how long it waited for a place; Latency how long the answering member took for its head.
	Queued, Latency time.Duration
	// Refusal is why no member answered, nil if one did; Problem says what went wrong after its response had begun.
	Refusal *dispatch.Refusal
	Problem string
}
