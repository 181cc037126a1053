package admin

import (
	"context"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// Edge is what the API shows and steers.
type Edge interface {
	Viewer
	Orders
	Explain(ask route.Ask) route.Explanation
	// Accept believes that what a cluster holds as vanished is gone, of one service or, with "", of all. It returns the number
	// of instances let go.
	Accept(cluster, service string) (int, error)
}

// Viewer shows the state of an edge.
type Viewer interface {
	Table() *pool.Table
	// Facts returns the newest facts of a cluster, or nil for an unknown one. They may be younger than those its snapshot was built
	// from: an answer that changed nothing but its own age is no reason for a new snapshot.
	Facts(cluster string) *discovery.Facts
	// Ready returns nil if a load balancer in front should send clients here, else why not.
	Ready() error
}

// Orders keeps what operators have ordered, each where the instance's cluster keeps its documents. Its errors are told apart by
// proxy.ErrBadOrder, proxy.ErrUnknown, state.ErrConflict and state.ErrUnavailable.
type Orders interface {
	Overrides() []pool.Override
	SetOverride(ctx context.Context, o pool.Override) error
	DeleteOverride(ctx context.Context, instance string) error
}

var _ Edge = (*proxy.Edge)(nil)
