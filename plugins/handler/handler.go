// Package handler is the HTTP handler "fairlead", by which Caddy's servers serve discovered domains.
package handler

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/plugins/exchange"
	"github.com/fairlead/fairlead/proxy/route"
)

// ReasonHeader tells the client of a request that was refused why, in one stable word.
const ReasonHeader = "Fairlead-Reason"

// ReadyPath answers whether a load balancer in front should send clients here. It is served under names that no service claims, such
// as the listener's own address, so that it never stands in the way of a domain's own path.
const ReadyPath = "/fairlead/ready"

func init() {
	caddy.RegisterModule(new(Handler))
	httpcaddyfile.RegisterHandlerDirective("fairlead", parseDirective)
	// Last of all: it answers every request, and what else a site has is meant for a part of them.
	httpcaddyfile.RegisterDirectiveOrder("fairlead", httpcaddyfile.After, "acme_server")
}

// Handler serves requests from the members of their domain's pool. Access logs get a field `fairlead` with the cluster, the pool, the
// member, the number of attempts and the reason of a refusal; the same can be had by the placeholders `{http.fairlead.cluster}`,
// `{http.fairlead.pool}`, `{http.fairlead.member}`, `{http.fairlead.attempts}` and `{http.fairlead.code}`.
type Handler struct {
	// Hands requests for domains that no service claims to the handlers that follow, instead of answering 404.
	PassUnknown bool `json:"pass_unknown,omitempty"`

	app    *app.App
	server *caddyhttp.Server // nil in tests
}

// CaddyModule implements caddy.Module.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.fairlead", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the app, which may still be in its own provisioning: that may be what loads the servers.
func (h *Handler) Provision(ctx caddy.Context) error {
	found, err := ctx.AppIfConfigured(app.ID)
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("no clusters are configured: add the global option fairlead { cluster live { consul 127.0.0.1:8500 } }")
	}
	if err != nil {
		return err
	}
	h.app = found.(*app.App)
	h.server, _ = ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if h.server == nil {
		return nil
	}
	return wrapServer(ctx, &guard{app: h.app, server: h.server, log: ctx.Slogger()})
}

// parseDirective reads the directive:
//
//	fairlead [<matcher>] {
//		pass_unknown
//	}
func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive behind its matcher.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if d.Val() != "pass_unknown" {
			return d.Errf("unknown option %q of fairlead", d.Val())
		}
		if d.NextArg() {
			return d.ArgErr()
		}
		h.PassUnknown = true
	}
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	done := new(exchange.Exchange)
	h.show(r, done)
	defer h.log(r, done) // also when a response is cut off
	refusal := h.app.Edge().Serve(w, r, &done.Outcome)
	if refusal == nil {
		return nil
	}
	done.Code = refusal.Word()
	if refusal.Code == route.NoDomain || refusal.Code == route.BadHost {
		if r.URL.Path == ReadyPath && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			return h.ready(w)
		}
		if h.PassUnknown && refusal.Code == route.NoDomain {
			return next.ServeHTTP(w, r)
		}
	}
	w.Header().Set(ReasonHeader, done.Code)
	if refusal.RetryAfter > 0 {
		seconds := (refusal.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	return caddyhttp.Error(refusal.Status, fmt.Errorf("%s: %s", done.Code, refusal.Reason))
}

func (h *Handler) ready(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := h.app.Edge().Ready(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "not ready\n") // the reason is for the admin endpoint
		return nil
	}
	io.WriteString(w, "ready\n")
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
)
