package handler

import (
	"errors"
	"log/slog"
	"net"
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/plugins/lane"
	"github.com/fairlead/fairlead/proxy/http1"
)

// guard is a listener wrapper that refuses HTTP/1 requests which two programs could read differently, and which net/http would resolve
// by itself. It is for all connections of a server, since which site a request is for is known only when it has been read.
type guard struct {
	app    *app.App
	server *caddyhttp.Server
	log    *slog.Logger
}

var errShape = errors.New("this release of Caddy keeps its listener wrappers elsewhere: requests would not be guarded")

// wrapServer puts the lane and, behind it, a guard behind the server's other listener wrappers, unless it has them. It is for handlers, at
// their provisioning: the wrappers in the configuration are loaded by then, and used later.
//
// Caddy has no call for this. Its configuration would have one, but there a `servers` block erases what the sites of a Caddyfile bring
// along, and a guard that can be forgotten protects nobody; so this reaches for the field.
func wrapServer(ctx caddy.Context, g *guard) error {
	field := reflect.ValueOf(g.server).Elem().FieldByName("listenerWrappers")
	if !field.IsValid() {
		return errShape
	}
	wrappers, ok := reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Interface().(*[]caddy.ListenerWrapper)
	if !ok {
		return errShape
	}
	if slices.ContainsFunc(*wrappers, func(w caddy.ListenerWrapper) bool { _, is := w.(*guard); return is }) {
		return nil
	}
	if len(*wrappers) == 0 {
		// Caddy puts TLS where this stands, and expects it in every list that is not empty.
		placeholder, err := caddy.GetModule("caddy.listeners.tls")
		if err != nil {
			return err
		}
		*wrappers = append(*wrappers, placeholder.New().(caddy.ListenerWrapper))
	}
	own := lane.New(ctx, g.app, g.server, slices.Clone(*wrappers), isHandler)
	*wrappers = append(own.Cabled(*wrappers), own, g)
	return nil
}

func isHandler(h caddyhttp.MiddlewareHandler) bool {
	_, is := h.(*Handler)
	return is
}

// WrapListener implements caddy.ListenerWrapper.
func (g *guard) WrapListener(l net.Listener) net.Listener {
	return &http1.Guard{Listener: l, Limits: g.limits(), Refused: g.refused, Unshaken: g.unshaken}
}

// limits are not below those of the server, which answers what is too large itself, with 431.
func (g *guard) limits() http1.Limits {
	const slack = 8 << 10 // net/http grants 4 KiB more than it is told
	return http1.Limits{Head: g.server.MaxHeaderBytes + slack, Fields: g.server.MaxHeaderBytes}
}

func (g *guard) refused(remote net.Addr, reason error) {
	g.app.Edge().RefusedUnread()
	g.log.Debug("request refused", "remote", remote.String(), "reason", reason.Error())
}

func (g *guard) unshaken(remote net.Addr, reason error) {
	g.log.Debug("TLS handshake failed", "remote", remote.String(), "reason", reason.Error())
}

var _ caddy.ListenerWrapper = (*guard)(nil)
