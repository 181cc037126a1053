package egress

import (
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Target is where a connection leads. Connections are shared by what has the same ID and Addr only: host ports are reused, and an
// instance may move.
type Target struct {
	ID   string
	Addr string // host:port
	// Timeout bounds dialling, name resolution included; 0 is no bound but the context's.
	Timeout time.Duration
}

// To returns the target that a member of a pool is.
func To(p *pool.Pool, m *pool.Member) Target {
	return Target{ID: m.Instance.ID, Addr: m.Addr, Timeout: p.Spec.ConnectTimeout}
}

type key struct{ id, addr string }

func (t *Target) key() key { return key{t.ID, t.Addr} }
