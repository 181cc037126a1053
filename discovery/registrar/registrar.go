package registrar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
)

var (
	// errTaken says that another registrar on this host does our work.
	errTaken = errors.New("another registrar on this host has the same owner and node: give each its own owner, or stop one")
	errEnded = errors.New("the registrar does not run")
	// errNoLeader keeps us from writing: the agent would try for seconds to pass each change on, and answer nobody meanwhile, and the
	// change would reach the servers no sooner.
	errNoLeader = errors.New("Consul knows no leader at the moment: nothing is written until it does")
)

// Registrar keeps the instances of one source registered in one agent. Its methods may be called from several goroutines.
type Registrar struct {
	config Config
	agent  *agent
	log    *slog.Logger
	woken  chan struct{}
	// acting holds a token while nobody reads from and writes to the agent. Who has it may use what follows.
	acting   chan struct{}
	identity identity
	lockKey  string
	unlock   func()
	marked   time.Time // when the token was last asked for its name

	mu       sync.Mutex // guards what follows
	begun    bool
	running  bool
	started  time.Time
	earlier  map[string]bool // see situation; nil until the agent was first read
	attempts attempts
	desired  *desired
	drained  map[string]string
	released map[string]bool
	status   Status
}

// New returns the registrar of a configuration. Nothing happens before Run.
func New(c Config) (*Registrar, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	a, err := newAgent(c)
	if err != nil {
		return nil, err
	}
	r := &Registrar{
		config: c, agent: a, log: c.Logger.With("owner", c.Owner, "agent", c.Address),
		woken: make(chan struct{}, 1), acting: make(chan struct{}, 1),
		attempts: attempts{all: map[string]*attempt{}, least: c.RetryMin, top: c.RetryMax},
		desired:  newDesired(), drained: map[string]string{}, released: map[string]bool{},
		status: Status{Owner: c.Owner, NodeID: c.Node, Agent: AgentStatus{Address: c.Address, Reason: "not asked yet"}},
	}
	r.acting <- struct{}{}
	return r, nil
}

// Run keeps what the source tells of registered until ctx ends, and returns ctx's error then. What is registered stays so: the next life
// goes on with it. Run is called once.
func (r *Registrar) Run(ctx context.Context, source discovery.Source) error {
	r.mu.Lock()
	again := r.begun
	r.begun, r.running = true, !again
	r.started = time.Now()
	r.status.Source.Name = source.Name()
	r.mu.Unlock()
	if again {
		return errors.New("registrar: Run is called a second time")
	}
	var g errgroup.Group
	g.Go(func() error { return r.follow(ctx, source) })
	g.Go(func() error { return r.keep(ctx) })
	return g.Wait()
}

// HasLeader asks the agent whether it knows a leader at the moment. One that does not answer, until ctx ends at the latest, knows none.
func (r *Registrar) HasLeader(ctx context.Context) bool { return r.agent.leader(ctx) }

// follow runs the source. One that gives up is in doubt, and tried again: what it cannot do may be mended meanwhile.
func (r *Registrar) follow(ctx context.Context, source discovery.Source) error {
	for failures := 1; ; failures++ {
		err := source.Run(ctx, nil, r.take)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		reason := "it has ended"
		if err != nil {
			reason = "it has given up: " + err.Error()
		}
		r.log.Error("source ended, what is registered stays", "source", source.Name(), "reason", reason)
		r.mu.Lock()
		r.desired.doubts = append(slices.Clone(r.desired.doubts), discovery.Doubt{Kind: discovery.SourceDoubt, Reason: reason, Since: time.Now()})
		r.mu.Unlock()
		if err := sleep(ctx, backoff(r.config.RetryMin, r.config.RetryMax, failures)); err != nil {
			return err
		}
	}
}

func (r *Registrar) take(u discovery.Update) {
	r.mu.Lock()
	r.desired.take(time.Now(), u)
	r.mu.Unlock()
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// keep compares at once, after each change, for each retry and every Resync.
func (r *Registrar) keep(ctx context.Context) error {
	defer r.end()
	failures := 0
	for {
		wait, err := r.turn(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case errors.Is(err, errTaken): // by the configuration before this one, as a rule, which is about to end
			wait = r.config.RetryMin
		case err != nil:
			failures++
			wait = min(r.config.Resync, backoff(r.config.RetryMin, r.config.RetryMax, failures))
		default:
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-r.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// sleep waits for d or for ctx to end, and returns ctx's error then.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}
