package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/discovery/docker"
)

// Containers are those of one engine; *docker.Reader has them.
type Containers interface {
	Containers(ctx context.Context) ([]docker.Described, error)
	Logs(ctx context.Context, id string, q docker.LogQuery, give func(docker.LogRecord) error) error
	Stats(ctx context.Context, id string, follow bool, give func(docker.Stats) error) error
}

var _ Containers = (*docker.Reader)(nil)

// Door answers readers. Its exported fields are set before Handler.
type Door struct {
	Containers Containers
	// Services returns the names by which a container, by its full ID, is registered; nil where none is.
	Services func(container string) []string
	// Clients are who may read; none for everybody whom the listener lets in.
	Clients []Client
	// Viewers is how many may read a stream at a time (100).
	Viewers int
	// Heartbeat is how often a silent stream says that it lives (15 s); Stall how long a viewer may take nothing at all (30 s).
	Heartbeat, Stall time.Duration
	// Logger is told of every access; nil discards.
	Logger *slog.Logger

	room   chan struct{}
	counts counts
}

// counts are what a door counts.
type counts struct {
	viewers                          atomic.Int64
	records, dropped, turned, denied atomic.Uint64
}

// Status is what is shown of a door.
type Status struct {
	Viewers int `json:"viewers"`
	// Records were sent, Dropped were left out since their viewer was too slow.
	Records uint64 `json:"records"`
	Dropped uint64 `json:"dropped"`
	// Turned are the viewers turned away because there were too many, Denied the requests by clients who may not read.
	Turned uint64 `json:"turned_away"`
	Denied uint64 `json:"denied"`
}

// Status returns how the door stands.
func (d *Door) Status() Status {
	c := &d.counts
	return Status{int(c.viewers.Load()), c.records.Load(), c.dropped.Load(), c.turned.Load(), c.denied.Load()}
}

// Handler returns what answers; it is called once.
func (d *Door) Handler() http.Handler {
	for _, t := range []struct {
		setting   *time.Duration
		otherwise time.Duration
	}{{&d.Heartbeat, 15 * time.Second}, {&d.Stall, 30 * time.Second}} {
		if *t.setting == 0 {
			*t.setting = t.otherwise
		}
	}
	if d.Viewers == 0 {
		d.Viewers = 100
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	d.room = make(chan struct{}, d.Viewers)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containers", d.list)
	mux.HandleFunc("GET /containers/{container}/logs", d.logs)
	mux.HandleFunc("GET /containers/{container}/stats", d.stats)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		p := d.permit(r)
		if !p.allowed {
			d.counts.denied.Add(1)
			d.Logger.Warn("reading denied", "client", p.name, "peer", r.RemoteAddr, "path", r.URL.Path)
			refuse(w, http.StatusForbidden, "the client "+p.name+" may not read here", "name it in the configuration of this agent")
			return
		}
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", "GET")
			refuse(w, http.StatusMethodNotAllowed, "nothing can be changed here", "use GET")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, status int, why, hint string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why, "hint": hint}) // a client that is gone needs no answer
}

// listed is a container with the services it is registered as.
type listed struct {
	docker.Described
	Services []string `json:"services,omitempty"`
}

// list answers with the containers that the client may read.
func (d *Door) list(w http.ResponseWriter, r *http.Request) {
	all, err := d.readable(r)
	if err != nil {
		d.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"containers": all})
}

func (d *Door) readable(r *http.Request) ([]listed, error) {
	all, err := d.Containers.Containers(r.Context())
	if err != nil {
		return nil, err
	}
	p, found := d.permit(r), []listed{}
	for _, c := range all {
		l := listed{Described: c}
		if d.Services != nil {
			l.Services = d.Services(c.ID)
		}
		if p.mayRead(l.Services) {
			found = append(found, l)
		}
	}
	return found, nil
}

// shortest is how much of an ID names a container.
const shortest = 12

// find returns the container that a request names, by name or by ID. One that the client may not read is not there for it.
func (d *Door) find(r *http.Request) (listed, error) {
	all, err := d.readable(r)
	if err != nil {
		return listed{}, err
	}
	name := r.PathValue("container")
	for _, c := range all {
		if c.Name == name || c.ID == name || len(name) >= shortest && strings.HasPrefix(c.ID, name) {
			return c, nil
		}
	}
	return listed{}, docker.ErrNoContainer
}

// fail answers a request that cannot be met.
func (d *Door) fail(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, docker.ErrNoContainer):
		refuse(w, http.StatusNotFound, err.Error(), "/containers lists those there are")
	case errors.Is(err, docker.ErrUnreadable):
		refuse(w, http.StatusNotImplemented, err.Error(), "read them where its log driver sends them")
	default:
		d.Logger.Warn("reading failed", "error", err)
		refuse(w, http.StatusBadGateway, err.Error(), "see whether the engine of this host answers")
	}
}
