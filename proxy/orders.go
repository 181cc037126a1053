package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/proxy/pool"
)

// ordersPrefix is where overrides stand in a cluster's state; the cluster's name, the node and the service ID follow.
const ordersPrefix = "fairlead/overrides/"

// orders are the overrides of one cluster, followed in its own state: they bind that cluster only, and while its state is out of
// reach the last known ones hold. Safe for concurrent use.
type orders struct {
	cluster string
	kv      state.KV
	retry   time.Duration
	log     *slog.Logger
	changed func(map[string]pool.Override) // called with every new set

	mu      sync.Mutex
	docs    map[string]document // by key
	current map[string]pool.Override
	news    chan struct{} // closed and replaced with every report of the state
	lost    bool          // the state is out of reach
	facts   *discovery.Facts
	tidying chan struct{} // something may have expired or become void
}

// document is an override as it is stored. refused is why it does not count; void is since when its instance stands elsewhere.
type document struct {
	order   pool.Override
	index   uint64
	refused string
	void    time.Time
}

// newOrders returns the overrides of a cluster, at first those that were last known.
func newOrders(cluster string, kv state.KV, last map[string]pool.Override, retry time.Duration, log *slog.Logger, changed func(map[string]pool.Override)) *orders {
	return &orders{
		cluster: cluster, kv: kv, retry: retry, log: log.With("cluster", cluster), changed: changed,
		current: last, news: make(chan struct{}), tidying: make(chan struct{}, 1),
	}
}

// all returns the overrides by instance ID. The map is shared and never changed.
func (o *orders) all() map[string]pool.Override {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.current
}

// Run follows the state and removes what has expired or become void, until ctx ends; it returns ctx's error.
func (o *orders) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return o.watch(ctx) })
	g.Go(func() error { return o.tidy(ctx) })
	return g.Wait()
}

// watch follows the documents. A watch that ends by itself is an error of the store, not a reason to stop serving.
func (o *orders) watch(ctx context.Context) error {
	for {
		err := o.kv.Watch(ctx, o.prefix(), o.take)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		o.log.Error("watching overrides ended, trying again", "error", err, "after", o.retry)
		if !pause(ctx, o.retry) {
			return ctx.Err()
		}
	}
}

func (o *orders) prefix() string { return ordersPrefix + segment(o.cluster) + "/" }

// key returns where the override of an instance stands. Different IDs have different keys.
func (o *orders) key(instance string) string {
	node, service, _ := strings.Cut(strings.TrimPrefix(instance, o.cluster+"/"), "/")
	return o.prefix() + segment(node) + "/" + segment(service)
}

// segment writes a name as one segment of a key. Stores whose keys are paths resolve the segments "." and "..", and drop empty ones:
// those are written as no name is.
func segment(name string) string {
	switch name {
	case "":
		return "%"
	case ".", "..":
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// take is told by the state what documents there are, or why it cannot say.
func (o *orders) take(entries []state.Entry, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if lost := err != nil; lost != o.lost {
		o.lost = lost
		if lost {
			o.log.Warn("overrides cannot be read, the last known ones hold", "error", err)
		} else {
			o.log.Info("overrides can be read again")
		}
	}
	if err != nil {
		return
	}
	docs, current := make(map[string]document, len(entries)), map[string]pool.Override{}
	for _, e := range entries {
		d, known := o.docs[e.Key]
		if !known || d.index != e.Index {
			d = o.read(e)
		}
		docs[e.Key] = d
		if d.refused == "" {
			current[d.order.Instance] = d.order
		}
	}
	o.docs = docs
	close(o.news)
	o.news = make(chan struct{})
	trigger(o.tidying)
	if !maps.Equal(current, o.current) {
		o.current = current
		o.changed(current)
	}
}

// read understands a document. One that makes no sense is left alone and told of: whoever wrote it may mend it.
func (o *orders) read(e state.Entry) document {
	d := document{index: e.Index}
	if err := json.Unmarshal(e.Value, &d.order); err != nil {
		d.refused = err.Error()
	} else if err := checkOrder(&d.order); err != nil {
		d.refused = err.Error()
	} else if d.order.Address == "" {
		d.refused = "it does not say for which address of the instance it is"
	} else if e.Key != o.key(d.order.Instance) {
		d.refused = fmt.Sprintf("it is an order for %q, which does not belong there", d.order.Instance)
	}
	d.order.Created, d.order.Expires = d.order.Created.UTC(), d.order.Expires.UTC()
	if d.refused != "" {
		o.log.Warn("override refused", "key", e.Key, "reason", d.refused)
	}
	return d
}
