package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// api answers for one edge and what heals behind it.
type api struct {
	edge    Edge
	healing *Healing // nil where nothing is healed
	healers func() []steered
	now     func() time.Time
}

// endpoint answers one request from a snapshot. The error is a *problem, or something that went wrong behind the API.
type endpoint func(s *pool.Snapshot, r *http.Request) (answer any, err error)

// entry is one line of the API: what is asked how, and who answers.
type entry struct {
	method, pattern string
	answer          endpoint
}

// New returns the handler of /fairlead/ for an edge; healing may be nil. It starts nothing and may be dropped at any time.
func New(edge Edge, healing *Healing) http.Handler {
	return (&api{edge: edge, healing: healing, healers: healing.healers, now: time.Now}).handler()
}

func (a *api) handler() http.Handler {
	entries := []entry{
		{"GET", "/fairlead/snapshot", a.snapshot},
		{"GET", "/fairlead/pools", a.pools},
		{"GET", "/fairlead/pools/{pool}", a.pool},
		{"GET", "/fairlead/sources", a.sources},
		{"POST", "/fairlead/sources/accept", a.accept},
		{"GET", "/fairlead/explain", a.explain},
		{"GET", "/fairlead/ready", a.ready},
		{"GET", "/fairlead/overrides", a.overrides},
		{"PUT", "/fairlead/overrides/{instance...}", a.setOverride},
		{"DELETE", "/fairlead/overrides/{instance...}", a.deleteOverride},
		{"GET", "/fairlead/healer", a.healer},
		{"GET", "/fairlead/healer/check", a.check},
		{"POST", "/fairlead/healer/check", a.checkAgainst},
		{"GET", "/fairlead/healer/plan", a.plan},
		{"GET", "/fairlead/healer/audit", a.audit},
		{"GET", "/fairlead/healer/pauses", a.pauses},
		{"PUT", "/fairlead/healer/pauses", a.pause},
		{"DELETE", "/fairlead/healer/pauses", a.resume},
		{"POST", "/fairlead/healer/forgive", a.forgive},
		{"GET", "/fairlead/healer/drains", a.drains},
		{"PUT", "/fairlead/healer/drains", a.drain},
		{"DELETE", "/fairlead/healer/drains", a.undrain},
		{"GET", "/fairlead/registrations", a.registrations},
	}
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, e := range entries {
		mux.HandleFunc(e.method+" "+e.pattern, a.serve(e.answer))
		methods[e.pattern] = append(methods[e.pattern], e.method)
	}
	for pattern, allowed := range methods {
		mux.HandleFunc(pattern, a.serve(notAllowed(allowed)))
	}
	mux.HandleFunc("/", a.serve(notFound(entries)))
	return mux
}

// serve answers with what the endpoint returns for the newest snapshot.
func (a *api) serve(answer endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		snapshot := a.edge.Table().Load()
		body, err := answer(snapshot, r)
		if err != nil {
			body = asProblem(err)
		}
		status, version := http.StatusOK, snapshot.Version
		switch b := body.(type) {
		case *problem:
			status = b.status
			if len(b.allow) > 0 {
				w.Header().Set("Allow", strings.Join(b.allow, ", "))
			}
		case *readiness:
			status = b.status()
		case route.Explanation: // the edge may have decided by a newer snapshot
			version = b.Version
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Fairlead-Version", strconv.FormatUint(version, 10))
		w.WriteHeader(status)
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		out.Encode(body) // an error means that the client is gone, and there is nobody left to tell
	}
}

func notAllowed(methods []string) endpoint {
	slices.Sort(methods)
	return func(_ *pool.Snapshot, r *http.Request) (any, error) {
		return nil, &problem{
			status: http.StatusMethodNotAllowed, allow: methods,
			Message: fmt.Sprintf("%s does not take %s", r.URL.Path, r.Method),
			Hint:    "use " + strings.Join(methods, " or "),
		}
	}
}

func notFound(entries []entry) endpoint {
	var known []string
	for _, e := range entries {
		known = append(known, e.method+" "+e.pattern)
	}
	hint := "the API has " + strings.Join(known, ", ")
	return func(_ *pool.Snapshot, r *http.Request) (any, error) {
		return nil, &problem{status: http.StatusNotFound, Message: "nothing is at " + r.URL.Path, Hint: hint}
	}
}
