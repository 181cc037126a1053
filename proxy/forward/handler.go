package forward

import (
	"net/http"
	"net/netip"

	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/route"
)

// Handler serves requests. Its fields are set before the first one and not changed; it is safe for concurrent use.
type Handler struct {
	dispatch.Desk
	// Limits bound the heads of responses.
	Limits http1.Limits
}

// Serve answers r from a member of its domain's pool and returns nil, or writes nothing and returns why. It fills in out unless
// that is nil. It panics with http.ErrAbortHandler where a response that has begun cannot be finished.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, out *Outcome) *dispatch.Refusal {
	x := newExchange(h, w, r, out)
	defer x.end()
	if out != nil {
		out.Domain = x.Decision.Domain
	}
	if x.Decision.Code != route.OK {
		return x.Undecided()
	}
	if problem := unsound(r); problem != "" {
		return &dispatch.Refusal{Status: http.StatusBadRequest, Cause: dispatch.BadRequest, Reason: problem}
	}
	if x.early && !safe(r.Method) {
		return &dispatch.Refusal{Status: http.StatusTooEarly, Cause: dispatch.TooEarly, Reason: r.Method + " as early data of TLS, which somebody may have recorded and sent again"}
	}
	refusal := x.serve()
	if x.cut {
		panic(http.ErrAbortHandler)
	}
	return refusal
}

// safe lists the methods that ask for nothing to be done (RFC 9110 §9.2.1): once more does no harm.
func safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

// peerOf returns the address of the socket's other end, the zero Addr for a Unix socket.
func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}
