package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
)

// Executor carries out the orders that are left for this host in the shared state: each at most once, one after another. What it does
// not know how to do, or must not touch, it answers with a refusal.
type Executor struct {
	// KV is the cluster's shared state, Node this host's name in it, Engine the engine that a stop is for.
	KV     state.KV
	Node   string
	Engine Engine
	// Owner is that of Config: its containers and Swarm's are those that an order may stop ("fairlead").
	Owner string
	// HasLeader reports whether the agent's Consul has a leader; nil where there is no Consul. Without one no order is begun.
	HasLeader func() bool
	// Leave is that of Config.
	Leave func(ctx context.Context, container string) error
	// Drain and Undrain carry out orders about the whole host, and return soon; nil refuses them.
	Drain, Undrain func(ctx context.Context, o discovery.Order) error
	// Retry is how soon the executor looks again at orders that it could not begin or answer (2 s).
	Retry time.Duration
	// Abandon is how long after its expiry an order that another process claimed may stay without an answer (5 minutes).
	Abandon time.Duration
	// Keep is how long answered orders stay to be read (24 h).
	Keep time.Duration
	// Logger is told of every order; nil discards.
	Logger *slog.Logger

	self string // this process among agents of the same host, and among its own lives
	logs *slog.Logger
	bad  map[string]uint64 // documents that were told to be unreadable, by index
}

// Run carries out orders until ctx ends. It is called once.
func (x *Executor) Run(ctx context.Context) error {
	if err := discovery.CheckNode(x.Node); err != nil {
		return err
	}
	x.self, x.logs, x.bad = x.Node+"-"+rand.Text()[:8], x.Logger, map[string]uint64{}
	if x.logs == nil {
		x.logs = slog.New(slog.DiscardHandler)
	}
	latest := make(chan []state.Entry, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return x.KV.Watch(ctx, discovery.OrdersPrefix(x.Node), func(entries []state.Entry, err error) {
			if err != nil {
				return // what was read before is as good as it was
			}
			select { // only the newest set counts, and reports come from one goroutine at a time
			case <-latest:
			default:
			}
			latest <- entries
		})
	})
	group.Go(func() error { return x.work(ctx, latest) })
	return group.Wait()
}

// work looks at each new set of orders, and again at one that is not finished.
func (x *Executor) work(ctx context.Context, latest <-chan []state.Entry) error {
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	var entries []state.Entry
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entries = <-latest:
		case <-again.C:
		}
		again.Stop()
		if wait := x.look(ctx, entries); wait > 0 {
			again.Reset(wait)
		}
	}
}

// look handles a set of orders, the oldest first, and returns when it wants to see it again if nothing changes; 0 for never. A set that
// is out of date does no harm: nothing is begun without a claim at the index that was read.
func (x *Executor) look(ctx context.Context, entries []state.Entry) time.Duration {
	orders := x.parse(entries)
	slices.SortStableFunc(orders, func(a, b pending) int { return a.Issued.Compare(b.Issued) })
	var wait time.Duration
	for _, o := range orders {
		if ctx.Err() != nil {
			return 0
		}
		next := x.handle(ctx, o)
		if next > 0 && (wait == 0 || next < wait) {
			wait = next
		}
	}
	return wait
}

// pending is an order as it was read.
type pending struct {
	discovery.Order
	key   string
	index uint64
}

// parse reads the documents. One that is no order cannot be answered: it is told once and left to whoever wrote it.
func (x *Executor) parse(entries []state.Entry) []pending {
	var orders []pending
	for _, e := range entries {
		o := pending{key: e.Key, index: e.Index}
		err := json.Unmarshal(e.Value, &o.Order)
		if err == nil && o.ID != path.Base(e.Key) {
			err = fmt.Errorf("its ID is %q", o.ID)
		}
		if err == nil {
			orders = append(orders, o)
			continue
		}
		if x.bad[e.Key] != e.Index {
			x.bad[e.Key] = e.Index
			x.logs.Error("a document among the orders is none", "key", e.Key, "error", err)
		}
	}
	return orders
}

// handle brings one order a step on and returns when to look again.
func (x *Executor) handle(ctx context.Context, o pending) time.Duration {
	now := time.Now()
	retry, abandon, keep := cmp.Or(x.Retry, 2*time.Second), cmp.Or(x.Abandon, 5*time.Minute), cmp.Or(x.Keep, 24*time.Hour)
	switch {
	case o.Result != nil:
		if left := o.Result.At.Add(keep).Sub(now); left > 0 {
			return left
		}
		return x.settle(o, retry, x.KV.Delete(ctx, o.key, o.index))
	case o.ClaimedBy != "":
		if left := o.Expires.Add(abandon).Sub(now); left > 0 {
			return left
		}
		return x.settle(o, retry, x.answer(ctx, o, discovery.OrderUnknown, o.ClaimedBy+" claimed it and never answered"))
	case now.After(o.Expires):
		return x.settle(o, retry, x.answer(ctx, o, discovery.OrderExpired, "it was seen too late, or there was no Consul leader until then"))
	case x.HasLeader != nil && !x.HasLeader():
		return retry
	}
	if err := o.Check(); err != nil {
		return x.settle(o, retry, x.answer(ctx, o, discovery.OrderRefused, err.Error()))
	}
	o.ClaimedBy, o.ClaimedAt = x.self, now
	if err := x.write(ctx, o); err != nil {
		return x.settle(o, retry, err)
	}
	outcome, text := x.carryOut(ctx, o.Order)
	x.logs.Info("order", "id", o.ID, "kind", o.Kind, "container", short(o.Container), "author", o.Author, "reason", o.Reason,
		"outcome", outcome, "text", text)
	x.report(ctx, o, outcome, text, retry)
	return 0
}

// settle says when to look again after a write: soon if the store did not take it, and with its next report if the document has changed.
func (x *Executor) settle(o pending, retry time.Duration, err error) time.Duration {
	switch {
	case err == nil || errors.Is(err, state.ErrConflict):
		return 0
	case !errors.Is(err, state.ErrUnavailable):
		x.logs.Error("an order cannot be answered", "key", o.key, "error", err)
	}
	return retry
}

func (x *Executor) write(ctx context.Context, o pending) error {
	document, err := json.Marshal(o.Order)
	if err != nil {
		return err
	}
	return x.KV.CompareAndSet(ctx, o.key, document, o.index)
}

func (x *Executor) answer(ctx context.Context, o pending, outcome discovery.Outcome, text string) error {
	o.Result = &discovery.OrderResult{Outcome: outcome, Text: strings.TrimSpace(text), At: time.Now()}
	return x.write(ctx, o)
}

// report writes the answer to an order that was carried out, as often as it takes: what was done must not go untold because the store
// was away for a moment, or because the agent is ending just now.
func (x *Executor) report(ctx context.Context, o pending, outcome discovery.Outcome, text string, retry time.Duration) {
	for {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		err := x.reportOnce(limited, o, outcome, text)
		cancel()
		if err == nil {
			return
		}
		x.logs.Warn("an order is carried out but not answered yet", "key", o.key, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
	}
}

// lastWords is how long an agent that ends waits for the store to take an answer.
const lastWords = 3 * time.Second

func (x *Executor) reportOnce(ctx context.Context, o pending, outcome discovery.Outcome, text string) error {
	entry, err := x.KV.Get(ctx, o.key)
	if errors.Is(err, state.ErrNotFound) {
		return nil // nobody waits for it any more
	}
	if err != nil {
		return err
	}
	var held discovery.Order
	if err := json.Unmarshal(entry.Value, &held); err != nil || held.ClaimedBy != x.self || held.Result != nil {
		x.logs.Error("an order was changed while it was carried out, and is not answered", "key", o.key)
		return nil
	}
	o.index = entry.Index
	return x.answer(ctx, o, outcome, text)
}
