package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy"
)

// problem is the answer to a request that cannot be met.
type problem struct {
	status  int
	allow   []string // with 405
	Message string   `json:"error"`
	Hint    string   `json:"hint,omitempty"`
}

// Error returns what went wrong, without the hint.
func (p *problem) Error() string { return p.Message }

// asProblem returns the problem that err is. What it cannot tell comes from behind the API, where the documents of a cluster are.
func asProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	p := &problem{
		status: http.StatusServiceUnavailable, Message: err.Error(),
		Hint: "what is known goes on to hold; try again when the state of the cluster can be reached",
	}
	switch {
	case errors.Is(err, healer.ErrBadPause):
		p.status, p.Hint = http.StatusBadRequest, "see docs/admin-api.md for what a pause has"
	case errors.Is(err, healer.ErrBadDrain):
		p.status, p.Hint = http.StatusBadRequest, "see docs/admin-api.md for what a drain has"
	case errors.Is(err, healer.ErrUnknownHost), errors.Is(err, healer.ErrNoDrain):
		p.status, p.Hint = http.StatusNotFound, "see /fairlead/healer/drains for those there are"
	case errors.Is(err, proxy.ErrBadOrder):
		p.status, p.Hint = http.StatusBadRequest, "see docs/admin-api.md for what an order has"
	case errors.Is(err, proxy.ErrUnknown):
		p.status, p.Hint = http.StatusNotFound, "an ID is CLUSTER/NODE/SERVICE-ID, as /fairlead/pools/{pool} shows it; write slashes that follow each other as %2F"
	case errors.Is(err, state.ErrConflict):
		p.status, p.Hint = http.StatusConflict, "others give orders at the same time: look at /fairlead/overrides and decide again"
	}
	return p
}

func badInput(hint, format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func unknown(hint, format string, args ...any) *problem {
	return &problem{status: http.StatusNotFound, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// query returns the parameters of a request. A parameter that the endpoint does not have is refused, as is one given twice: a
// misspelt limit would otherwise widen what is asked for, to the whole cluster at worst.
func query(r *http.Request, known ...string) (url.Values, error) {
	return queryRepeated(r, nil, known...)
}

// queryRepeated is query where some of the known parameters may be given several times.
func queryRepeated(r *http.Request, repeated []string, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badInput("write a % in a value as %25", "reading the query: %v", err)
	}
	for name, given := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, badInput("parameters here: "+listed(known), "unknown parameter %q", name)
		case len(given) > 1 && !slices.Contains(repeated, name):
			return nil, badInput("give it once", "parameter %q is given %d times", name, len(given))
		}
	}
	return values, nil
}

func listed(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
