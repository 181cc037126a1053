package discovery

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Catalog merges what a cluster's sources say into one immutable Facts, and knows when to doubt.
//
// Each service commits on its own, and keeps its pointer while its instances stay the same; equal facts make no new version. What
// vanishes is believed, but for a mass: present instances that vanish within MassWindow, at least MassMin and at least half of those
// of the cluster or of a node. They are kept, marked in Instance.Held, each while it still accepts connections, until it returns,
// VanishHold ends, or an operator accepts that they are gone. Instances that were critical or in maintenance vanish without doubt, and
// new facts commit meanwhile.
//
// Its methods may be called from several goroutines.
type Catalog struct {
	cluster string
	sources []Source
	o       CatalogOptions
	log     *slog.Logger

	facts       atomic.Pointer[Facts]
	subscribers subscribers
	holding     chan struct{} // something may be held now
	unsaved     chan struct{} // facts have changed since the snapshot file was written

	mu     sync.Mutex // guards ledger, and the publishing of facts
	ledger *ledger
}

// NewCatalog returns the catalog of a cluster. Nothing happens before Restore and Run. Sources that come first win an instance ID
// that two of them claim; their names must differ.
func NewCatalog(cluster string, sources []Source, o CatalogOptions) *Catalog {
	o = o.withDefaults()
	c := &Catalog{
		cluster: cluster,
		sources: slices.Clone(sources),
		o:       o,
		log:     o.Logger.With("cluster", cluster),
		holding: make(chan struct{}, 1),
		unsaved: make(chan struct{}, 1),
		ledger:  newLedger(cluster, massRule{window: o.MassWindow, min: o.MassMin, hold: o.VanishHold}, sources),
	}
	facts := NoFacts(cluster)
	facts.Sources = c.ledger.statuses()
	c.facts.Store(facts)
	return c
}

// Facts returns the cluster's facts of this moment, never nil. They are read-only.
func (c *Catalog) Facts() *Facts { return c.facts.Load() }

// Subscribe returns a channel that is triggered after facts have got a new version or doubts have changed, but not for a source's
// mere sign of life. It is level-triggered: several changes may make one trigger, so read Facts after each, and once after Subscribe.
// cancel ends the subscription; the channel is never closed.
func (c *Catalog) Subscribe() (changed <-chan struct{}, cancel func()) { return c.subscribers.add() }

// Run runs the sources, probes what is held and saves the snapshot file, until ctx ends; it returns ctx's error then. A source that
// gives up keeps its last facts, in doubt, and stops nobody else. Run is called once.
func (c *Catalog) Run(ctx context.Context) error {
	var g errgroup.Group
	for i, source := range c.sources {
		f := c.ledger.feeds[i]
		known := c.known(f)
		g.Go(func() error { return c.follow(ctx, source, f, known) })
	}
	g.Go(func() error { return c.watchHolds(ctx) })
	if c.o.File != "" {
		g.Go(func() error { return c.keepFile(ctx) })
	}
	return g.Wait()
}

// known returns a feed's restored services, nil if there are none.
func (c *Catalog) known(f *feed) map[string]*Service {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !f.heard {
		return nil
	}
	return maps.Clone(f.services)
}

// follow runs one source.
func (c *Catalog) follow(ctx context.Context, source Source, f *feed, known map[string]*Service) error {
	err := source.Run(ctx, known, func(u Update) { c.take(f, u) })
	if ctx.Err() != nil {
		return nil
	}
	reason := "the source has ended"
	if err != nil {
		reason = "the source has given up: " + err.Error()
	}
	c.log.Error("source ended", "source", source.Name(), "reason", reason)
	c.mu.Lock()
	status := f.status
	c.mu.Unlock()
	status.Doubts = append(slices.Clone(status.Doubts), Doubt{Kind: SourceDoubt, Reason: reason, Since: time.Now()})
	c.take(f, Update{Status: status})
	return nil
}

// take commits what a source says.
func (c *Catalog) take(f *feed, u Update) {
	c.change(func(now time.Time) []string {
		name, ready := f.status.Name, f.status.Ready || u.Complete
		f.status = u.Status
		f.status.Name, f.status.Ready = name, f.status.Ready || ready
		return c.ledger.apply(now, f, u)
	})
}

// Accept believes that the held instances of a service are gone, or with "" all of them, and returns how many it let go.
func (c *Catalog) Accept(service string) int {
	var count int
	c.change(func(time.Time) []string {
		dirty := c.ledger.accept(service)
		count = len(dirty)
		return dirty
	})
	if count > 0 {
		c.log.Info("operator accepted that held instances are gone", "service", service, "instances", count)
	}
	return count
}

// change does something to the ledger and publishes what follows for the services it returns.
func (c *Catalog) change(do func(now time.Time) (dirty []string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.facts.Load()
	next := c.revise(old, do(time.Now()))
	if next == old {
		return
	}
	c.facts.Store(next)
	c.tellOfMasses(old.Doubts, next.Doubts)
	if next.Version != old.Version {
		trigger(c.unsaved)
		trigger(c.holding)
	}
	if next.Version != old.Version || !sameDoubts(old.Doubts, next.Doubts) || !slices.EqualFunc(old.Sources, next.Sources, sameStanding) {
		c.subscribers.wake()
	}
}

// revise returns the facts that follow from the ledger, given the services in which they may differ: old itself if they do not.
func (c *Catalog) revise(old *Facts, dirty []string) *Facts {
	next := *old
	cloned := false
	for _, name := range dirty {
		is := c.ledger.view(name)
		if sameInstances(next.Services[name], is) {
			continue
		}
		if !cloned {
			next.Services, cloned = maps.Clone(old.Services), true
		}
		if is == nil {
			delete(next.Services, name)
		} else {
			next.Services[name] = is
		}
	}
	// Ready never falls: a cluster that has had facts has them.
	next.Ready = old.Ready || c.ledger.ready()
	changed := cloned || next.Ready != old.Ready
	next.Shared = c.ledger.shared
	if changed {
		next.Version++
	}
	if doubts := c.ledger.doubts(); !sameDoubts(old.Doubts, doubts) {
		next.Doubts, changed = doubts, true
	}
	if statuses := c.ledger.statuses(); !slices.EqualFunc(old.Sources, statuses, sameStatus) {
		next.Sources, changed = statuses, true
	}
	if !changed {
		return old
	}
	return &next
}

// tellOfMasses logs the masses that are new and those that have ended.
func (c *Catalog) tellOfMasses(old, next []Doubt) {
	since := func(all []Doubt, d Doubt) bool {
		return slices.ContainsFunc(all, func(o Doubt) bool { return o.Since.Equal(d.Since) && o.Until.Equal(d.Until) })
	}
	for _, d := range next {
		if !since(old, d) {
			c.log.Warn("mass of instances vanished, holding them", "reason", d.Reason, "until", d.Until)
		}
	}
	for _, d := range old {
		if !since(next, d) {
			c.log.Info("mass is over", "reason", d.Reason, "since", d.Since)
		}
	}
}
