package dispatch

import (
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Observer learns how members do: the passive checks of package health.
type Observer interface {
	// Succeeded tells of a complete response head other than 502, 503 and 504.
	Succeeded(p *pool.Pool, m *pool.Member)
	// Refused tells of a member that refused a connection: nobody listens at its address.
	Refused(p *pool.Pool, m *pool.Member, reason string)
	// Failed tells of a member that could not be connected to in another way, was silent for too long, broke its response off or
	// answered 502, 503 or 504, the statuses by which a gateway says that it cannot serve (Envoy's gateway failures). What a client
	// caused is not a failure.
	Failed(p *pool.Pool, m *pool.Member, reason string)
}

// Desk is what a configuration's requests are dispatched by. Its fields are set once; it is safe for concurrent use.
type Desk struct {
	Table     *pool.Table
	Transport *egress.Transport
	// Observer may be nil.
	Observer Observer
}
