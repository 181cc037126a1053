package proxy

import (
	"net/http"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/forward"
	"github.com/fairlead/fairlead/proxy/health"
)

// What passive checks learn comes from the requests served.
var _ dispatch.Observer = (*health.Passive)(nil)

// Serve answers a request from a member of its domain's pool and returns nil, or writes nothing and returns why. It fills in out unless
// that is nil. See forward.Handler for its panic.
func (e *Edge) Serve(w http.ResponseWriter, r *http.Request, out *forward.Outcome) *dispatch.Refusal {
	refusal := e.http.Serve(w, r, out)
	if refusal != nil {
		e.shared.refusals.count(refusal.Word())
	}
	return refusal
}
