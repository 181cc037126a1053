package healer

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
)

// Catalog holds the facts of a cluster; *discovery.Catalog is one.
type Catalog interface {
	Facts() *discovery.Facts
	Subscribe() (changed <-chan struct{}, cancel func())
}

var _ Catalog = (*discovery.Catalog)(nil)

// Wishes say what must be present; *DesiredFile is one.
type Wishes interface {
	Current() (d *Desired, problem string)
	Changed() <-chan struct{}
}

var _ Wishes = (*DesiredFile)(nil)

// Options are what a Supervisor needs.
type Options struct {
	// Cluster is the cluster that is healed, Catalog its facts, State its shared state.
	Cluster string
	Catalog Catalog
	State   state.KV
	// Lock chooses among the healers of the cluster; nil is Alone.
	Lock Lock
	// Desired says what must be present, in this and other clusters.
	Desired Wishes
	// Runtime returns what runs a service; its error is the same to us as an engine that does not answer.
	Runtime func(s *Service) (Runtime, error)
	// Placer is what places copies on hosts, and Agents reach those hosts: both for drains, and nil where there is none.
	Placer Placer
	Agents Agents
	// Notifier tells people; it is run elsewhere. Nil tells nobody.
	Notifier Notifier
	Policy   Policy
	// DryRun only plans: it does nothing, writes nothing and tells nobody.
	DryRun bool
	// Wall is the clock that may be set; nil is time.Now.
	Wall func() time.Time
	// Logger gets the audit log; nil discards it.
	Logger *slog.Logger
}

// Supervisor keeps the services of one cluster at their wanted number. Whatever wakes it, it asks for the truth, plans, and carries out.
type Supervisor struct {
	o       Options
	policy  Policy
	self    string
	journal *Journal
	audit   audit
	clock   *clock
	log     *slog.Logger
	woken   chan struct{} // capacity 1
	actions sync.WaitGroup

	// Those below are Run's own.
	memory  *Memory
	leading time.Time // since when, zero if not
	tilted  time.Time // until when nothing is done since the clock was set

	mu       sync.Mutex
	acting   map[string]string  // flights being carried out, by domain
	outcomes map[string]Outcome // of those that ended and are not in the journal yet, by domain
	status   Status
	hosts    hostWork
	opened   opened
}

// New returns the supervisor of a cluster. Nothing happens before Run.
func New(o Options) *Supervisor {
	if o.Lock == nil {
		o.Lock = Alone{}
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	policy := o.Policy.withDefaults()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &Supervisor{
		o: o, policy: policy, self: host + "/" + strconv.Itoa(os.Getpid()) + "/" + rand.Text()[:8],
		journal: NewJournal(o.State, o.Cluster, policy.StateTimeout), audit: audit{size: policy.AuditSize}, clock: newClock(o.Wall),
		log: o.Logger.With("cluster", o.Cluster), woken: make(chan struct{}, 1),
		acting: map[string]string{}, outcomes: map[string]Outcome{}, hosts: newHostWork(),
		status: Status{Cluster: o.Cluster, DryRun: o.DryRun},
	}
}

// Run heals until ctx ends, and returns ctx's error then, with no action of its own still running. It is called once.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.actions.Wait()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.listen(ctx) })
	g.Go(func() error { return s.followJournal(ctx) })
	g.Go(func() error { return s.rounds(ctx) })
	return g.Wait()
}

// Wake has the supervisor look as soon as it may. It returns at once; many calls may make one look.
func (s *Supervisor) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Status returns what the last round found. It is read-only.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Journal returns the cluster's journal, for pauses.
func (s *Supervisor) Journal() *Journal { return s.journal }

// Audit returns the latest decisions, the oldest first.
func (s *Supervisor) Audit() []AuditEntry { return s.audit.entries() }

// listen wakes on changes of facts and wishes.
func (s *Supervisor) listen(ctx context.Context) error {
	facts, cancel := s.o.Catalog.Subscribe()
	defer cancel()
	for {
		wishes := s.o.Desired.Changed()
		s.Wake()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-facts:
		case <-wishes:
		}
	}
}

// followJournal wakes on changes of the journal, such as a pause. A watch that ends is begun again: each round reads by itself anyway.
func (s *Supervisor) followJournal(ctx context.Context) error {
	for {
		err := s.journal.follow(ctx, s.Wake)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.log.Warn("watching the journal ended, trying again", "error", err)
		if !sleep(ctx, s.policy.Tick) {
			return ctx.Err()
		}
	}
}

// rounds looks at every tick and whenever woken, but not more often than RoundGap.
func (s *Supervisor) rounds(ctx context.Context) error {
	ticker := time.NewTicker(s.policy.Tick)
	defer ticker.Stop()
	for {
		s.round(ctx)
		if !sleep(ctx, s.policy.RoundGap) {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.woken:
		case <-ticker.C:
		}
	}
}

// sleep waits, and reports whether ctx has let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
