package healer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
)

// lab runs healers over a fleet, in a bubble of testing/synctest.
type lab struct {
	t      *testing.T
	fleet  *fleet
	kv     *memoryKV
	policy Policy
	wishes *wishes
	split  bool // every process believes that it has the lock

	mu      sync.Mutex
	holder  *process
	until   time.Time // of a pause of everything
	step    time.Duration
	notices []Notice
}

func newLab(t *testing.T, hosts ...string) *lab {
	return &lab{t: t, fleet: newFleet(t, hosts...), kv: newMemoryKV(), policy: Policy{}.withDefaults(), wishes: newWishes()}
}

// wishes are a desired file without a file.
type wishes struct {
	mu      sync.Mutex
	desired *Desired
	problem string
	changed chan struct{}
}

func newWishes() *wishes { return &wishes{changed: make(chan struct{})} }

func (w *wishes) Current() (*Desired, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.desired, w.problem
}

func (w *wishes) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *wishes) set(problem string, services ...*Service) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.desired, w.problem = &Desired{Version: "v", Services: services}, problem
	close(w.changed)
	w.changed = make(chan struct{})
}

// process is one life of a healer. It can die at any of its steps: a write to the journal, or an action.
type process struct {
	*Supervisor
	lab    *lab
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	dead    bool
	left    int // steps until it dies, if not negative
	after   bool
	since   time.Time
	prepare func() // what happens while an action is prepared
}

var errDead = errors.New("the process is dead")

// start runs a healer, which gets the lock if nobody has it.
func (l *lab) start(change func(*Options)) *process {
	p := &process{lab: l, left: -1, ended: make(chan struct{})}
	o := Options{Cluster: "live", Catalog: l.fleet, State: deathlyKV{l.kv, p}, Lock: p, Desired: l.wishes, Placer: engine{l.fleet, p}, Notifier: l, Policy: l.policy,
		Runtime: func(*Service) (Runtime, error) { return preparing{engine{l.fleet, p}}, nil },
		Wall: func() time.Time {
			l.mu.Lock()
			defer l.mu.Unlock()
			return time.Now().Add(l.step)
		}}
	if change != nil {
		change(&o)
	}
	p.Supervisor = New(o)
	ctx, cancel := context.WithCancel(l.t.Context())
	p.cancel = cancel
	l.mu.Lock()
	if l.holder == nil {
		l.holder, p.since = p, time.Now()
	}
	if l.split {
		p.since = time.Now()
	}
	l.mu.Unlock()
	go func() {
		defer close(p.ended)
		if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
			l.t.Errorf("Run returned %v", err)
		}
	}()
	return p
}

// stop ends a process in order, and frees its lock.
func (p *process) stop() {
	p.cancel()
	<-p.ended
	p.lab.give(p, nil)
}

// give moves the lock.
func (l *lab) give(from, to *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == from && to != from {
		l.holder = to
		if to != nil {
			to.since = time.Now()
		}
	}
}

func (p *process) Held() bool {
	p.lab.mu.Lock()
	defer p.lab.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead && (p.lab.holder == p || p.lab.split)
}

func (p *process) leadingSince() time.Time {
	p.lab.mu.Lock()
	defer p.lab.mu.Unlock()
	return p.since
}

// dieAt has the process die at the nth step from now, before or after it has its effect.
func (p *process) dieAt(n int, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.after = n, after
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// step makes one step, which may be the last.
func (p *process) step(do func() error) error {
	p.mu.Lock()
	dead, dies, after := p.dead, p.left == 0, p.after
	if p.left >= 0 {
		p.left--
	}
	p.dead = p.dead || dies && !after
	p.mu.Unlock()
	switch {
	case dead:
		return errDead
	case dies && after:
		_ = do() // nobody is left to hear what became of it
		p.mu.Lock()
		p.dead = true
		p.mu.Unlock()
		fallthrough
	case dies:
		p.cancel()
		return errDead
	}
	return do()
}

// deathlyKV is the journal's store as a process that may die uses it.
type deathlyKV struct {
	*memoryKV
	p *process
}

var _ state.KV = deathlyKV{}

func (k deathlyKV) CompareAndSet(ctx context.Context, key string, value []byte, index uint64) error {
	return k.p.step(func() error { return k.memoryKV.CompareAndSet(ctx, key, value, index) })
}

func (k deathlyKV) Delete(ctx context.Context, key string, index uint64) error {
	return k.p.step(func() error { return k.memoryKV.Delete(ctx, key, index) })
}

// preparing is an engine with something to do before an action.
type preparing struct{ engine }

var _ Preparer = preparing{}

func (e preparing) Prepare(context.Context, Action) error {
	if e.healer.prepare != nil {
		e.healer.prepare()
	}
	return nil
}

// Notify and Run make the lab a Notifier.
func (l *lab) Notify(n Notice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notices = append(l.notices, n)
}

func (l *lab) Run(ctx context.Context) error { return nil }

var _ Notifier = (*lab)(nil)

// told returns the events of the notices since it was last asked, "healed!" for one that is resolved.
func (l *lab) told() (events []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.notices {
		event := string(n.Event)
		if n.Resolved {
			event += "!"
		}
		events = append(events, event)
	}
	l.notices = nil
	return events
}

func (l *lab) paused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

// pause pauses everything for a time.
func (l *lab) pause(d time.Duration) {
	l.t.Helper()
	expires := time.Now().Add(d).Truncate(time.Second)
	j := NewJournal(l.kv, "live", time.Second)
	if err := j.Pause(l.t.Context(), Pause{Scope: PauseAll, Author: "ann", Reason: "test", Expires: expires}); err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = expires
}

// wait lets time pass.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// expect compares the notices since the last time.
func (l *lab) expect(what string, want ...string) {
	l.t.Helper()
	if got := l.told(); !slices.Equal(got, want) {
		l.t.Errorf("%s: told %q, want %q", what, got, want)
	}
}
