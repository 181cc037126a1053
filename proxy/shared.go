package proxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/health"
	"github.com/fairlead/fairlead/proxy/pool"
)

// SharedOptions are the settings of what outlives configurations. The zero value of a field stands for its default.
type SharedOptions struct {
	Egress egress.Options
	// CheckWorkers is how many active checks run at once (health.DefaultWorkers).
	CheckWorkers int
}

// Shared is what one process has once, whatever its configuration: meters, verdicts, connections to members, the last snapshot, and
// what is remembered from earlier lives. It is made once per process and handed to every Edge.
type Shared struct {
	meters    *pool.Meters
	transport *egress.Transport
	board     *health.Board
	active    *health.Active
	passive   *health.Passive
	// last is the newest snapshot of any Edge: what the next one's first snapshot follows, so that versions go on rising and a slow
	// start is not cut short by a reload.
	last     atomic.Pointer[pool.Snapshot]
	refusals refusals
	lane     laneCounters

	mu       sync.Mutex
	memories map[string]*memory // by file
}

// NewShared returns the shared part of a process. Nothing happens before Run.
func NewShared(o SharedOptions) *Shared {
	s := &Shared{
		meters: pool.NewMeters(), transport: egress.New(o.Egress), board: health.NewBoard(), memories: map[string]*memory{},
	}
	s.active = health.NewActive(s.board, checkDialer{s.transport}, o.CheckWorkers)
	s.passive = health.NewPassive(s.board)
	return s
}

// Run ends ejections and closes connections that are idle for too long, until ctx ends; it returns ctx's error. It is run once per
// process, while Edges come and go.
func (s *Shared) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.passive.Run(ctx) })
	g.Go(func() error { return s.transport.Run(ctx) })
	return g.Wait()
}

// Meters returns the registry of all meters, for those who read them.
func (s *Shared) Meters() *pool.Meters { return s.meters }

// Transport returns what opens and keeps connections to members, for all doors.
func (s *Shared) Transport() *egress.Transport { return s.transport }

// memory returns what is remembered in a file; every Edge that names the same file shares it.
func (s *Shared) memory(file string) *memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.memories[file]
	if m == nil {
		m = newMemory(file)
		s.memories[file] = m
	}
	return m
}

// checkDialer lets checks dial as requests do, with the same refusals.
type checkDialer struct{ transport *egress.Transport }

var _ health.Dialer = checkDialer{}

// DialContext implements health.Dialer; checks have their own deadline in ctx.
func (d checkDialer) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return d.transport.Dial(ctx, &egress.Target{ID: "check", Addr: address})
}
