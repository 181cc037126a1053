package handler

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/fairlead/fairlead/plugins/exchange"
)

// show makes the placeholders known; they are evaluated where they are used.
func (h *Handler) show(r *http.Request, e *exchange.Exchange) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(e.Placeholder)
	}
}

// log adds the exchange to the access log, if there is one.
func (h *Handler) log(r *http.Request, e *exchange.Exchange) {
	if h.server == nil || h.server.Logs == nil {
		return
	}
	if fields, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		fields.Add(zap.Object("fairlead", e))
	}
}
