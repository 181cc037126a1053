package lane

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/proxy/http1"
	door "github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/proxy/route"
)

// Wrapper is the listener wrapper of one server in one configuration.
type Wrapper struct {
	app    *app.App
	ctx    caddy.Context
	server *caddyhttp.Server
	log    *slog.Logger
	rules  rules
	off    bool
	loops  *door.Loops // nil on the portable engine
	fallen atomic.Bool // the loops cannot accept at one of the addresses, and serve none of the server's connections

	access  *accessLog                   // nil without one
	metrics func() (*httpMetrics, error) // nil without them

	mu     sync.Mutex
	plans  map[bool]*plan // by whether it is for TLS
	listen map[bool][]string
	groups []*group
}

// New returns the wrapper for a server that has the handler `fairlead`, which isFairlead tells from others. It is to stand behind the
// wrappers given. ctx is that of the configuration.
func New(ctx caddy.Context, a *app.App, server *caddyhttp.Server, before []caddy.ListenerWrapper, isFairlead func(caddyhttp.MiddlewareHandler) bool) *Wrapper {
	w := &Wrapper{
		app: a, ctx: ctx, server: server, log: ctx.Slogger(), rules: rules{server, before, isFairlead},
		off: a.LaneSpec().Engine == app.LaneOff, plans: map[bool]*plan{}, listen: map[bool][]string{},
	}
	if engine := a.LaneSpec().Engine; engine == app.LaneLoop || engine == app.LaneBest {
		w.loops = w.startLoops()
	}
	server.RegisterOnStop(w.drain)
	a.ExplainLane(w.explain)
	return w
}

// tlsListener is what a listener of a TLS address is behind the place of TLS.
var tlsListener = reflect.TypeOf(tls.NewListener(nil, nil))

// WrapListener implements caddy.ListenerWrapper. Caddy calls it when it starts the server, whose routes are complete by then.
func (w *Wrapper) WrapListener(inner net.Listener) net.Listener {
	secure := reflect.TypeOf(inner) == tlsListener
	key := inner.Addr().Network() + "/" + inner.Addr().String()
	p := w.plan(secure, inner.Addr())
	if w.off && !known(key) {
		return inner
	}
	l := &listener{Listener: inner, wrapper: w, of: generation(), handshakes: make(chan struct{}, mostHandshakes), site: w.site(p)}
	join(key, l)
	w.mu.Lock()
	w.groups = append(w.groups, l.group)
	w.mu.Unlock()
	go l.run()
	return l
}

// plan returns what is served behind TLS, or in clear, and notes the address for Explain.
func (w *Wrapper) plan(secure bool, address net.Addr) *plan {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listen[secure] = append(w.listen[secure], address.String())
	p := w.plans[secure]
	if p == nil {
		p = w.rules.plan(secure, w.unsuited())
		w.plans[secure] = p
	}
	return p
}

// unsuited says why the configuration lets the lane serve nothing, empty if it does not.
func (w *Wrapper) unsuited() string {
	if w.off {
		return "lane off"
	}
	if w.server.Logs != nil && w.access == nil {
		w.access = newAccessLog(w.ctx, w.server, altSvc(w.server, w.app.HTTPPort()))
	}
	config := w.app.HTTPMetrics()
	if config == nil || w.metrics != nil {
		return ""
	}
	if config.PerHost {
		return "metrics per_host"
	}
	w.metrics = sync.OnceValues(func() (*httpMetrics, error) { return joinMetrics(w.ctx, w.server, config) })
	if _, err := w.metrics(); err != nil {
		w.log.Warn("the lane cannot join Caddy's HTTP metrics: Caddy serves", "server", w.server.Name(), "error", err)
		return "metrics"
	}
	return ""
}

// site is what the lane is told of a plan.
func (w *Wrapper) site(p *plan) door.Site {
	limits := w.app.LaneSpec()
	// net/http grants 4 KiB more than it is told.
	head := http1.Limits{Head: w.server.MaxHeaderBytes + 4<<10, Fields: w.server.MaxHeaderBytes}
	return door.Site{
		Desk: w.app.Edge().Desk(), Serves: p.serves,
		Limits: door.Limits{
			Head: head, Conns: limits.MaxConnections, ConnsPerClient: limits.MaxConnectionsPerClient, BodyRate: limits.BodyRate,
		},
		Times: door.Times{
			Head: time.Duration(w.server.ReadHeaderTimeout), Idle: time.Duration(w.server.IdleTimeout), BodyGrace: limits.BodyGrace,
		},
		Server: caddyhttp.ServerHeader, AltSvc: altSvc(w.server, w.app.HTTPPort()),
		Ended: w.ended(p), KeepResponse: w.access != nil,
		Turned: func(remote netip.AddrPort, why door.Turn) {
			w.app.Edge().LaneTurned(why)
			w.log.Debug("turned away", "remote", remote.String(), "reason", string(why))
		},
	}
}

// ended returns what is told of every request.
func (w *Wrapper) ended(p *plan) func(*door.Record) {
	edge := w.app.Edge()
	var metrics *httpMetrics
	if w.metrics != nil {
		metrics, _ = w.metrics()
	}
	if w.access == nil && metrics == nil {
		return func(r *door.Record) { edge.LaneServed(r.Refusal) }
	}
	return func(r *door.Record) {
		edge.LaneServed(r.Refusal)
		if metrics != nil {
			metrics.observe(p.verdict(r.Host).handlers, r)
		}
		if w.access != nil {
			w.access.write(r)
		}
	}
}

// explain tells of a host at the addresses of the server.
func (w *Wrapper) explain(host string) (all []route.ExplainedLane) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secure := range []bool{false, true} {
		if p := w.plans[secure]; p != nil {
			e := route.ExplainedLane{Server: w.server.Name(), Listen: w.listen[secure], Reason: p.verdict(host).reason}
			if e.Serves = e.Reason == ""; e.Serves {
				e.Engine = w.engine()
			}
			all = append(all, e)
		}
	}
	return all
}

// engine is what serves: loops take no connections that are more than TCP and TLS, such as those of the PROXY protocol.
func (w *Wrapper) engine() string {
	more := func(before caddy.ListenerWrapper) bool { return moduleName(before) != "tls" }
	if w.loops == nil || w.fallen.Load() || slices.ContainsFunc(w.rules.before, more) {
		return app.LanePortable
	}
	return app.LaneLoop
}

// handshakeTime is how long a TLS handshake may take, as net/http has it.
func (w *Wrapper) handshakeTime() time.Duration {
	least := time.Minute
	for _, limit := range []caddy.Duration{w.server.ReadHeaderTimeout, w.server.ReadTimeout, w.server.WriteTimeout} {
		if limit > 0 {
			least = min(least, time.Duration(limit))
		}
	}
	return least
}

// drain lets a stopping process wait for what the lane has under way, until the end of the grace period, which ends ctx. A reload waits
// for nothing.
func (w *Wrapper) drain(ctx context.Context) error {
	if !caddy.Exiting() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.groups {
		select {
		case <-g.drained:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

var _ caddy.ListenerWrapper = (*Wrapper)(nil)
