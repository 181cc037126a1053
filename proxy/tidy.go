package proxy

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
)

// look takes notice of facts, which may have made an override void.
func (o *orders) look(facts *discovery.Facts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.facts != nil && o.facts.Version == facts.Version {
		return
	}
	o.facts = facts
	if len(o.docs) > 0 {
		trigger(o.tidying)
	}
}

// tidy removes documents that are over. Each edge of a cluster does so; the index keeps it from removing a newer order. A void one
// holds for nobody, but is removed only after it was void for a while: an edge whose facts lag behind must not remove an order that
// was given where the instance stands by now.
func (o *orders) tidy(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		if next := o.sweep(ctx, time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.tidying:
		case <-timer.C:
		}
	}
}

// sweep removes what is over now and returns when something will be, or is to be tried again; zero for never.
func (o *orders) sweep(ctx context.Context, now time.Time) (next time.Time) {
	over, next := o.over(now)
	for key, d := range over {
		err := o.kv.Delete(ctx, key, d.index)
		if obsolete(err) {
			continue // the state will report what stands there now
		}
		if err != nil {
			o.log.Warn("override not removed", "instance", d.order.Instance, "reason", d.refused, "error", err)
			next = earliest(next, now.Add(o.retry))
			continue
		}
		o.drop(key, d.index)
		o.log.Info("override removed", "instance", d.order.Instance, "action", string(d.order.Action), "author", d.order.Author,
			"ordered for", d.order.Address, "reason", d.refused)
	}
	return next
}

// drop forgets a removed document at once: the state's own report may take a while, and would be told of twice.
func (o *orders) drop(key string, index uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d, ok := o.docs[key]
	if !ok || d.index != index {
		return
	}
	delete(o.docs, key)
	current := maps.Clone(o.current)
	delete(current, d.order.Instance)
	o.current = current
	o.changed(current)
}

// over returns the documents that have expired or are void, with the reason in refused, and when to look again.
func (o *orders) over(now time.Time) (over map[string]document, next time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	over = map[string]document{}
	stands := o.addresses()
	for key, d := range o.docs {
		if d.refused != "" {
			continue
		}
		address, known := stands[d.order.Instance]
		switch void := known && address != d.order.Address; {
		case !void:
			d.void = time.Time{}
		case d.void.IsZero():
			d.void = now
		}
		o.docs[key] = d
		reason, at := d.end(now, address, o.retry)
		if reason == "" {
			next = earliest(next, at)
			continue
		}
		d.refused = reason
		over[key] = d
	}
	return over, next
}

// end returns why a document is to be removed now, or else when it may be; zero for never. address is where its instance stands.
func (d *document) end(now time.Time, address string, patience time.Duration) (reason string, at time.Time) {
	expires := d.order.Expires
	switch {
	case !expires.IsZero() && !expires.After(now):
		return "expired at " + expires.Format(time.RFC3339), expires
	case d.void.IsZero():
		return "", expires
	case now.Sub(d.void) >= patience:
		return "void: the instance is at " + address + " now", now
	}
	return "", earliest(expires, d.void.Add(patience))
}

// addresses returns where the instances that have overrides stand by the last facts. Those that are merely held do not count, nor
// any while the cluster is in doubt: where they stand by now is not known. The caller holds the lock.
func (o *orders) addresses() map[string]string {
	stands := map[string]string{}
	if o.facts == nil || len(o.docs) == 0 || o.facts.InDoubt() {
		return stands
	}
	wanted := make(map[string]bool, len(o.docs))
	for _, d := range o.docs {
		wanted[d.order.Instance] = true
	}
	for _, s := range o.facts.Services {
		for i := range s.Instances {
			if instance := &s.Instances[i]; instance.Held == "" && wanted[instance.ID] {
				stands[instance.ID] = instance.HostPort()
			}
		}
	}
	return stands
}

// earliest returns the earlier of two times, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// obsolete tells of a removal that is not needed any more: the document has gone, or is another one by now.
func obsolete(err error) bool {
	return errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict)
}
