package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/proxy/pool"
)

// source says what a test tells it.
type source struct{ updates chan discovery.Update }

func (s *source) Name() string { return "test" }

func (s *source) Run(ctx context.Context, _ map[string]*discovery.Service, report func(discovery.Update)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u := <-s.updates:
			report(u)
		}
	}
}

// store is a state.KV in memory that can be out of reach.
type store struct {
	mu      sync.Mutex
	entries map[string]state.Entry
	index   uint64
	down    bool
	changed chan struct{}
}

func newStore() *store {
	return &store{entries: map[string]state.Entry{}, changed: make(chan struct{})}
}

// reach switches the store on or off.
func (s *store) reach(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = !on
	s.tell()
}

func (s *store) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for k := range s.entries {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var errDown = fmt.Errorf("the store is switched off: %w", state.ErrUnavailable)

func (s *store) Get(_ context.Context, key string) (state.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[key]
	switch {
	case s.down:
		return e, errDown
	case !ok:
		return e, state.ErrNotFound
	}
	return e, nil
}

func (s *store) CompareAndSet(_ context.Context, key string, value []byte, index uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		return errDown
	case s.entries[key].Index != index:
		return state.ErrConflict
	}
	s.index++
	s.entries[key] = state.Entry{Key: key, Value: value, Index: s.index}
	s.tell()
	return nil
}

func (s *store) Delete(_ context.Context, key string, index uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[key]
	switch {
	case s.down:
		return errDown
	case !ok:
		return nil
	case index != 0 && e.Index != index:
		return state.ErrConflict
	}
	delete(s.entries, key)
	s.tell()
	return nil
}

func (s *store) Watch(ctx context.Context, prefix string, report func([]state.Entry, error)) error {
	for {
		s.mu.Lock()
		var entries []state.Entry
		for key, e := range s.entries {
			if strings.HasPrefix(key, prefix) {
				entries = append(entries, e)
			}
		}
		down, changed := s.down, s.changed
		s.mu.Unlock()
		slices.SortFunc(entries, func(a, b state.Entry) int { return strings.Compare(a.Key, b.Key) })
		if down {
			report(nil, errDown)
		} else {
			report(entries, nil)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// world is a process with a cluster live and a cluster test, which has the prefix test. and lets in 10.0.0.0/8 only.
type world struct {
	t          *testing.T
	shared     *Shared
	live, test *source
	store      *store
	log        *records
	config     Config
	catalogs   []*discovery.Catalog
}

// newWorld returns a world whose files are in dir; its catalogs run until the test ends.
func newWorld(t *testing.T, dir string) *world {
	w := &world{
		t: t, shared: NewShared(SharedOptions{}), store: newStore(), log: new(records),
		live: &source{make(chan discovery.Update)}, test: &source{make(chan discovery.Update)},
	}
	w.config = Config{
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		Memory: Memory{File: filepath.Join(dir, "edge.json")},
		Local:  func() []netip.Addr { return nil },
		Clusters: []Cluster{
			{
				ClusterConfig: pool.ClusterConfig{Name: "live"}, State: w.store,
				Catalog: discovery.NewCatalog("live", []discovery.Source{w.live}, discovery.CatalogOptions{File: filepath.Join(dir, "live.json")}),
			},
			{
				ClusterConfig: pool.ClusterConfig{Name: "test", Prefix: "test.", Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
				Catalog:       discovery.NewCatalog("test", []discovery.Source{w.test}, discovery.CatalogOptions{}),
			},
		},
	}
	for i := range w.config.Clusters {
		catalog := w.config.Clusters[i].Catalog
		if err := catalog.Restore(); err != nil {
			t.Fatal(err)
		}
		w.background(catalog.Run)
	}
	w.background(w.shared.Run)
	return w
}

// background runs a loop until the returned function is called or the test ends.
func (w *world) background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("a loop ended: %v", err)
		}
	})
	stop = func() { cancel(); work.Wait() }
	w.t.Cleanup(stop)
	return stop
}

// edge primes and runs an edge.
func (w *world) edge() (e *Edge, stop func()) {
	w.t.Helper()
	e, err := New(w.shared, w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	e.Prime()
	return e, w.background(e.Run)
}

// say tells what a cluster has, and gives the edge the time for a snapshot.
func (w *world) say(s *source, copies ...string) {
	w.tell(s, copies...)
	after(10 * time.Millisecond)
}

// tell tells what a cluster has, completely, and waits without time passing until all is quiet. Each copy is SERVICE@HOST:PORT, or SERVICE=DOMAIN@HOST:PORT to claim a domain in Meta; its ID is
// CLUSTER/node/SERVICE@ and the number of its place among the service's copies.
func (w *world) tell(s *source, copies ...string) {
	cluster := map[*source]string{w.live: "live", w.test: "test"}[s]
	services := map[string]*discovery.Service{}
	for _, c := range copies {
		name, at, _ := strings.Cut(c, "@")
		name, domain, claims := strings.Cut(name, "=")
		var meta map[string]string
		if claims {
			meta = map[string]string{"domain": domain}
		}
		address := netip.MustParseAddrPort(at)
		if services[name] == nil {
			services[name] = &discovery.Service{Name: name}
		}
		id := fmt.Sprintf("%s@%d", name, len(services[name].Instances)+1)
		services[name].Instances = append(services[name].Instances, discovery.Instance{
			ID: discovery.InstanceID(cluster, "node", id), Cluster: cluster, Node: "node", Service: name, ServiceID: id,
			Address: address.Addr().String(), Port: address.Port(), Meta: meta,
		})
	}
	s.updates <- discovery.Update{Services: services, Complete: true, Trusted: true, Status: discovery.SourceStatus{Name: "test"}}
	synctest.Wait()
}

// member returns a member as the edge's snapshot has it, or fails.
func member(t *testing.T, e *Edge, id string) *pool.Member {
	t.Helper()
	for _, c := range e.Table().Load().Clusters {
		for _, p := range c.Services {
			for _, m := range p.Members {
				if m.ID() == id {
					return m
				}
			}
		}
	}
	t.Fatalf("no member %s in the snapshot", id)
	return nil
}

// after lets time pass and everything settle.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// records is a log to look into.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// count returns how many lines have all the words.
func (r *records) count(words ...string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.text.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
