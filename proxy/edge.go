package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/forward"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// Edge is what one configuration makes of a Shared: its own table, and the loop that writes it. Its methods may be called from
// several goroutines, but for Prime and Run.
type Edge struct {
	shared   *Shared
	config   Config
	log      *slog.Logger
	clusters []*cluster
	table    *pool.Table
	http     *forward.Handler
	memory   *memory
	stopping atomic.Bool
	lane     func(host string) []route.ExplainedLane // nil where nobody serves by it

	wake      chan struct{} // something that goes into snapshots has changed
	published chan struct{} // there is a new snapshot to check the members of
	local     local
	pruned    time.Time
	reporter  *reporter
}

// cluster is a configured cluster with its overrides.
type cluster struct {
	*Cluster
	orders *orders
}

// New returns the edge of a configuration, with what its memory's file remembers. Nothing else happens before Prime and Run.
func New(shared *Shared, c Config) (*Edge, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	e := &Edge{
		shared: shared, config: c, log: c.Logger,
		table: pool.NewTable(), memory: shared.memory(c.Memory.File),
		wake: make(chan struct{}, 1), published: make(chan struct{}, 1),
		local:    local{ask: c.Local, every: c.LocalEvery},
		pruned:   time.Now(),
		reporter: newReporter(c.Logger),
	}
	e.http = &forward.Handler{Desk: dispatch.Desk{Table: e.table, Transport: shared.transport, Observer: shared.passive}}
	if err := e.memory.load(); err != nil {
		e.log.Error("memory not restored", "error", err)
	}
	for i := range c.Clusters {
		e.clusters = append(e.clusters, e.cluster(&c.Clusters[i]))
	}
	return e, nil
}

// cluster joins a configured cluster with its overrides, of which the last known ones hold until its state is heard.
func (e *Edge) cluster(c *Cluster) *cluster {
	return &cluster{c, newOrders(c.Name, c.State, e.memory.lastOrders(c.Name), e.config.OrderRetry, e.log, func(current map[string]pool.Override) {
		e.memory.setOrders(c.Name, current)
		e.memory.touch()
		trigger(e.wake)
	})}
}

// Run writes snapshots as facts, verdicts and overrides change, checks the members, follows the overrides and keeps the memory, until
// ctx ends; it returns ctx's error. It is run once.
func (e *Edge) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	listen := func(changed <-chan struct{}, cancel func()) {
		g.Go(func() error {
			defer cancel()
			relay(ctx, changed, e.wake)
			return nil
		})
	}
	listen(e.shared.board.Subscribe())
	for _, c := range e.clusters {
		listen(c.Catalog.Subscribe())
		if c.orders.kv != nil {
			g.Go(func() error { return c.orders.Run(ctx) })
		}
	}
	g.Go(func() error { return e.write(ctx) })
	g.Go(func() error { return e.shared.active.Run(ctx, e.table, e.published) })
	g.Go(func() error { return e.keepMemory(ctx) })
	return g.Wait()
}

// Table returns the edge's table, for doors and pages to read.
func (e *Edge) Table() *pool.Table { return e.table }

// Facts returns the newest facts of a cluster, or nil for an unknown one. They may be younger than those of the snapshot.
func (e *Edge) Facts(name string) *discovery.Facts {
	for _, c := range e.clusters {
		if c.Name == name {
			return c.Catalog.Facts()
		}
	}
	return nil
}

// Accept believes that what a cluster holds as vanished is gone, of one service or, with "", of all. It returns the number of
// instances let go.
func (e *Edge) Accept(name, service string) (int, error) {
	for _, c := range e.clusters {
		if c.Name == name {
			return c.Catalog.Accept(service), nil
		}
	}
	return 0, fmt.Errorf("%w cluster %q", ErrUnknown, name)
}

// input is all that the next snapshot is made from.
func (e *Edge) input(now time.Time) pool.Input {
	in := pool.Input{
		Now: now, Trusted: e.config.Trusted, Own: e.config.Own, Local: e.local.addrs, Meters: e.shared.meters,
	}
	verdicts := e.shared.board.Verdicts()
	for _, c := range e.clusters {
		in.Clusters = append(in.Clusters, pool.ClusterInput{
			Config: c.ClusterConfig, Facts: c.Catalog.Facts(), Overrides: c.orders.all(), Verdicts: ofCluster(verdicts, c.Name),
		})
	}
	return in
}
