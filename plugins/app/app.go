package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/admin"
	"github.com/fairlead/fairlead/admin/metrics"
	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/plugins/network"
	"github.com/fairlead/fairlead/proxy"
	"github.com/fairlead/fairlead/proxy/nameserver"
	"github.com/fairlead/fairlead/proxy/route"
)

// ID is the name of the app among Caddy's.
const ID = "fairlead"

func init() { caddy.RegisterModule(new(App)) }

// App finds backends in catalogues and serves their domains, by the handler `fairlead` over HTTP and by its own nameserver.
type App struct {
	Config

	spec    *spec
	loading *network.Generation
	log     *slog.Logger
	servers servers
	edge    *proxy.Edge
	api     http.Handler
	lanes   struct {
		sync.Mutex
		all []func(host string) []route.ExplainedLane
	}

	joined      []*runningCatalog     // of the clusters, in the order of the spec
	authorities map[string]*authority // that certify the agent's door, by ID
	engines     []*host               // whose containers are registered
	healing     *healing              // nil without one
	shown       *admin.Healing        // of both
	held        []func()              // what Cleanup gives back to the process
	cancel      context.CancelFunc
	group       *errgroup.Group
	dns         []func() // what Stop gives back
}

// current is the app of the newest configuration that has started, for those who outlive configurations.
var current atomic.Pointer[App]

// Current returns the app of the running configuration, or nil.
func Current() *App { return current.Load() }

// CaddyModule implements caddy.Module.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: ID, New: func() caddy.Module { return new(App) }}
}

// Provision makes the edge of the configuration and builds its first snapshot.
func (a *App) Provision(ctx caddy.Context) error {
	var err error
	if a.spec, err = a.Config.spec(); err != nil {
		return err
	}
	a.log = ctx.Slogger()
	if Current() == nil {
		processLog.follow(a.log.Handler())
	}
	a.loading = network.Begin()
	if err := a.join(); err != nil {
		return err
	}
	if err := a.servers.adopt(ctx); err != nil {
		return err
	}
	endpoints, err := adminAddresses(ctx)
	if err != nil {
		return err
	}
	a.spec.edge.Own = slices.Concat(a.spec.edge.Own, a.servers.own(), endpoints)
	a.spec.edge.Logger = a.log
	shared, err := acquire(shareds, "shared", openShared, a)
	if err != nil {
		return err
	}
	if a.edge, err = proxy.New(shared.(*runningShared).Shared, a.spec.edge); err != nil {
		return err
	}
	if a.authorities, err = a.spec.authorities(ctx); err != nil {
		return err
	}
	a.edge.ExplainLane(a.explainLane)
	a.awaitFacts(ctx)
	a.edge.Prime()
	a.shown = new(admin.Healing)
	a.api = admin.New(a.edge, a.shown)
	if err := a.guardCertificates(ctx); err != nil {
		return err
	}
	if err := ctx.GetMetricsRegistry().Register(metrics.New(a.edge, a.shown)); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	for _, s := range []*caddyevents.Subscription{
		{Events: []string{"started", "stopping"}, Handlers: []caddyevents.Handler{a}},
		{Events: []string{handshakeEvent}, Handlers: []caddyevents.Handler{&handshakes{a}}},
	} {
		if err := events.(*caddyevents.App).Subscribe(s); err != nil {
			return err
		}
	}
	return nil
}

// join gets the catalogs from the process, which has them already unless they are new in this configuration.
func (a *App) join() error {
	for i := range a.spec.catalogs {
		from := &a.spec.catalogs[i]
		joined, err := acquire(catalogs, from.key(), from.open, a)
		if err != nil {
			return err
		}
		to := &a.spec.edge.Clusters[i]
		a.joined = append(a.joined, joined.(*runningCatalog))
		to.Catalog, to.State = a.joined[i].Catalog, a.joined[i].state
	}
	return nil
}

// acquire takes one use of something from a pool, which Cleanup gives back.
func acquire(from *caddy.UsagePool, key string, open caddy.Constructor, a *App) (any, error) {
	value, _, err := from.LoadOrNew(key, open)
	if err != nil {
		return nil, err
	}
	a.held = append(a.held, func() {
		if _, err := from.Delete(key); err != nil {
			a.log.Error("not closed", "error", err)
		}
	})
	return value, nil
}

// awaitFacts gives the sources of new clusters a moment, so that the first clients after a start find their domains. It does not wait
// for those that have said already that they cannot answer: the other clusters are served meanwhile.
func (a *App) awaitFacts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.spec.startWait)
	defer cancel()
	for i := range a.spec.edge.Clusters {
		catalog := a.spec.edge.Clusters[i].Catalog
		changed, unsubscribe := catalog.Subscribe()
		for answering(catalog.Facts()) && ctx.Err() == nil {
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		unsubscribe()
	}
}

// answering reports whether a cluster's first facts are still to be expected.
func answering(facts *discovery.Facts) bool {
	return !facts.Ready && slices.ContainsFunc(facts.Sources, func(s discovery.SourceStatus) bool {
		return !s.Ready && len(s.Doubts) == 0
	})
}

// inUse says what to do about an address of the nameserver that another program has.
func inUse(err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return fmt.Errorf("%w: another program answers there, such as a Consul agent, whose own DNS is at port 8600 unless it is started with -dns-port=-1: give dns another address or stop that program", err)
}

// Start opens the nameserver and lets the edge run.
func (a *App) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	var udp []net.PacketConn
	var tcp []net.Listener
	for _, address := range a.spec.dns {
		u, t, release, err := network.Nameserver(ctx, address)
		if err != nil {
			cancel()
			closeAll(udp, tcp)
			a.release()
			return fmt.Errorf("dns %s: %w", address, inUse(err))
		}
		udp, tcp = append(udp, u), append(tcp, t)
		a.dns = append(a.dns, release)
	}
	if err := a.act(); err != nil {
		cancel()
		closeAll(udp, tcp)
		a.release()
		return err
	}
	a.cancel = cancel
	a.group = new(errgroup.Group)
	a.group.Go(func() error { return a.edge.Run(ctx) })
	if len(udp) > 0 {
		rules := a.spec.dnsRules
		rules.Logger = a.log
		server := nameserver.New(a.edge.Table(), rules)
		a.group.Go(func() error {
			err := server.Serve(ctx, udp, tcp)
			if ctx.Err() == nil {
				a.log.Error("nameserver ended", "error", err)
			}
			return err
		})
	}
	return nil
}

func closeAll(udp []net.PacketConn, tcp []net.Listener) {
	for i := range udp {
		udp[i].Close()
		tcp[i].Close()
	}
}

// release gives the nameserver's sockets back.
func (a *App) release() {
	for _, f := range a.dns {
		f()
	}
	a.dns = nil
}

// Stop ends the edge's loops. What its last snapshot holds goes on to be served to requests that are under way.
func (a *App) Stop() error {
	current.CompareAndSwap(a, nil)
	if a.cancel == nil {
		return nil
	}
	a.cancel()
	err := a.group.Wait()
	a.cancel = nil
	a.release()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Cleanup gives back what the process holds for its configurations.
func (a *App) Cleanup() error {
	if a.loading != nil {
		a.loading.End()
	}
	for _, giveBack := range a.held {
		giveBack()
	}
	a.held = nil
	return nil
}

// Handle is told when the whole configuration has started, and when it is about to be stopped but still serves.
func (a *App) Handle(_ context.Context, event caddy.Event) error {
	switch {
	case event.Name() == "started":
		current.Store(a)
		processLog.follow(a.log.Handler())
		a.loading.End()
	case caddy.Exiting():
		a.leave()
	default:
		a.servers.settle(a.spec.settleWait)
	}
	return nil
}

// leave lets load balancers in front see that the process is about to stop, before it does.
func (a *App) leave() {
	a.edge.Shutdown()
	a.log.Info("stopping: not ready any more, serving on", "for", a.spec.drainDelay)
	time.Sleep(a.spec.drainDelay)
	a.servers.limit(a.spec.drainTimeout)
}

// Edge returns the edge of the configuration. It is for use while requests are served: during provisioning it may not be there yet.
func (a *App) Edge() *proxy.Edge { return a.edge }

// API returns the handler of the admin API under /fairlead/.
func (a *App) API() http.Handler { return a.api }

// Interface guards.
var (
	_ caddy.App           = (*App)(nil)
	_ caddy.Provisioner   = (*App)(nil)
	_ caddy.CleanerUpper  = (*App)(nil)
	_ caddyevents.Handler = (*App)(nil)
)
