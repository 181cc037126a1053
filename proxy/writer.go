package proxy

import (
	"context"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Prime builds the first snapshot at once, from what is known by now. It is called before listeners open, and before Run.
func (e *Edge) Prime() {
	now := time.Now()
	e.local.at(now)
	if e.shared.last.Load() == nil {
		e.guard() // else an older configuration goes on until Run, if it comes to that
	}
	e.build(now)
}

// write builds a snapshot whenever something has changed, and when the last one asked for it. A single change is built at once; those
// that come close behind it wait for BuildGap, or for as long as the last build took if that is longer, so that a burst neither makes
// a snapshot of each change nor takes the whole processor.
func (e *Edge) write(ctx context.Context) error {
	e.guard()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		began := time.Now()
		if e.local.at(began) {
			e.guard()
		}
		e.build(began)
		if !pause(ctx, max(e.config.BuildGap, time.Since(began))) {
			return ctx.Err()
		}
		timer.Stop()
		if at, ok := e.next(began); ok {
			timer.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.wake:
		case <-timer.C:
		}
	}
}

// guard lets nothing be dialled that this configuration has at this machine's addresses.
func (e *Edge) guard() { e.shared.transport.SetPolicy(egress.NewPolicy(e.config.Own, e.local.addrs)) }

// next returns when to build although nothing changes; false for never. What the last build has seen pass is over.
func (e *Edge) next(built time.Time) (at time.Time, ok bool) {
	at, ok = e.table.Load().Next()
	ok = ok && at.After(built)
	if told, waiting := e.reporter.due(); waiting && (!ok || told.Before(at)) {
		return told, true
	}
	return at, ok
}

// build makes the snapshot of this moment, and publishes it if it differs. The first one of an Edge follows the last one of the Edge
// before it.
func (e *Edge) build(now time.Time) {
	current := e.table.Load()
	prev := current
	if last := e.shared.last.Load(); prev.Version == 0 && last != nil {
		prev = last
	}
	in := e.input(now)
	if next, _ := pool.Build(prev, in); next != current {
		e.publish(prev, next, now)
	}
	for i, c := range e.clusters {
		c.orders.look(in.Clusters[i].Facts)
	}
	e.reporter.summary(now)
}

// publish makes a snapshot the one that all decisions read, and tells everybody who follows it. What went from it was seen until now.
func (e *Edge) publish(prev, next *pool.Snapshot, now time.Time) {
	e.table.Store(next)
	e.shared.last.Store(next)
	trigger(e.published)
	e.shared.transport.Keep(next)
	e.prune(next, now)
	d := diff(prev, next)
	if len(d.came)+len(d.went) > 0 {
		e.memory.sightings.saw(d.lastSeen(), now)
		e.memory.touch()
	}
	e.reporter.report(&d, now)
}

// prune forgets the meters of what has gone, now and then: an instance that is back within seconds keeps its own.
func (e *Edge) prune(s *pool.Snapshot, now time.Time) {
	if now.Sub(e.pruned) >= e.config.PruneEvery {
		e.shared.meters.Prune(s)
		e.pruned = now
	}
}

// lastSeen returns the domains that are served no longer, with the clusters that did.
func (d *changes) lastSeen() map[string]*pool.Cluster {
	names := make(map[string]*pool.Cluster, len(d.went))
	for _, c := range d.went {
		names[c.name] = c.cluster
	}
	return names
}

// ofCluster returns the verdicts on the instances of one cluster.
func ofCluster(verdicts map[string]pool.Verdict, cluster string) map[string]pool.Verdict {
	own := map[string]pool.Verdict{}
	for id, v := range verdicts {
		if strings.HasPrefix(id, cluster+"/") {
			own[id] = v
		}
	}
	return own
}
