package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Errors of orders, to be told apart by errors.Is. One that cannot be stored is state.ErrUnavailable.
var (
	// ErrBadOrder: the order itself is wrong.
	ErrBadOrder = errors.New("bad order")
	// ErrUnknown: there is no such cluster, instance or order.
	ErrUnknown = errors.New("unknown")
)

// Overrides returns the orders of all clusters, sorted by instance.
func (e *Edge) Overrides() []pool.Override {
	var all []pool.Override
	for _, c := range e.clusters {
		all = slices.AppendSeq(all, maps.Values(c.orders.all()))
	}
	slices.SortFunc(all, byInstance)
	return all
}

// SetOverride stores an order in the state of its instance's cluster, in place of an older one for the same instance. Address and
// Created are set here. It returns when this edge has seen the order itself, or OrderTimeout later: it is stored then all the same.
func (e *Edge) SetOverride(ctx context.Context, o pool.Override) error {
	now := time.Now()
	o.Created = now.UTC().Truncate(time.Millisecond)
	if err := checkOrder(&o); err != nil {
		return err
	}
	if !o.Expires.IsZero() && !o.Expires.After(now) {
		return fmt.Errorf("%w: it has expired already, at %s", ErrBadOrder, o.Expires.Format(time.RFC3339))
	}
	c, err := e.clusterOf(o.Instance)
	if err != nil {
		return err
	}
	instance := find(c.Catalog.Facts(), o.Instance)
	if instance == nil {
		return fmt.Errorf("%w instance %q", ErrUnknown, o.Instance)
	}
	o.Address = instance.HostPort()
	if err := c.orders.put(ctx, o); err != nil {
		return fmt.Errorf("storing the override of %s: %w", o.Instance, err)
	}
	c.orders.await(ctx, e.config.OrderTimeout, func(current map[string]pool.Override) bool {
		return !current[o.Instance].Created.Before(o.Created)
	})
	return nil
}

// DeleteOverride takes an order back. It returns when this edge has seen that it is gone, or OrderTimeout later.
func (e *Edge) DeleteOverride(ctx context.Context, instance string) error {
	c, err := e.clusterOf(instance)
	if err != nil {
		return err
	}
	if _, ok := c.orders.all()[instance]; !ok {
		return fmt.Errorf("%w: no override is set for %q", ErrUnknown, instance)
	}
	if err := c.orders.remove(ctx, instance); err != nil {
		return fmt.Errorf("removing the override of %s: %w", instance, err)
	}
	c.orders.await(ctx, e.config.OrderTimeout, func(current map[string]pool.Override) bool {
		_, still := current[instance]
		return !still
	})
	return nil
}

// clusterOf returns the cluster of an instance, by its ID.
func (e *Edge) clusterOf(instance string) (*cluster, error) {
	for _, c := range e.clusters {
		if strings.HasPrefix(instance, c.Name+"/") {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w instance %q: an ID is CLUSTER/NODE/SERVICE-ID, and no cluster is named like that", ErrUnknown, instance)
}

// find returns an instance, or nil.
func find(facts *discovery.Facts, id string) *discovery.Instance {
	for _, s := range facts.Services {
		for i := range s.Instances {
			if s.Instances[i].ID == id {
				return &s.Instances[i]
			}
		}
	}
	return nil
}

// mostWeight is the highest weight that can be ordered, as in Consul and in SRV records.
const mostWeight = 65535

// checkOrder returns what is wrong with an order, wherever it comes from.
func checkOrder(o *pool.Override) error {
	wrong := ""
	switch {
	case o.Instance == "":
		wrong = "it names no instance"
	case o.Action != pool.Drain && o.Action != pool.Disable && o.Action != pool.Weight:
		wrong = fmt.Sprintf("action %q is none of drain, disable and weight", o.Action)
	case o.Action == pool.Weight && (o.Weight < 1 || o.Weight > mostWeight):
		wrong = fmt.Sprintf("weight %d is not from 1 to %d", o.Weight, mostWeight)
	case o.Action != pool.Weight && o.Weight != 0:
		wrong = fmt.Sprintf("a weight goes with action weight, not with %s", o.Action)
	case strings.TrimSpace(o.Author) == "":
		wrong = "it has no author"
	case strings.TrimSpace(o.Reason) == "":
		wrong = "it has no reason"
	}
	if wrong != "" {
		return fmt.Errorf("%w: %s", ErrBadOrder, wrong)
	}
	return nil
}

// attempts is how often a write is tried that another one gets in the way of.
const attempts = 5

// put stores an order, whatever stood there before: the last one to order has the say.
func (o *orders) put(ctx context.Context, order pool.Override) error {
	if o.kv == nil {
		return fmt.Errorf("%w: cluster %s has none configured", state.ErrUnavailable, o.cluster)
	}
	value, err := json.Marshal(order)
	if err != nil {
		return err
	}
	key := o.key(order.Instance)
	for range attempts {
		var old state.Entry
		if old, err = o.kv.Get(ctx, key); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		if err = o.kv.CompareAndSet(ctx, key, value, old.Index); !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return err
}

// remove deletes an order, whichever it is by now.
func (o *orders) remove(ctx context.Context, instance string) error {
	if o.kv == nil {
		return fmt.Errorf("%w: cluster %s has none configured", state.ErrUnavailable, o.cluster)
	}
	return o.kv.Delete(ctx, o.key(instance), 0)
}

// await waits until the overrides are as wanted, ctx ends, or d is over.
func (o *orders) await(ctx context.Context, d time.Duration, wanted func(map[string]pool.Override) bool) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for {
		o.mu.Lock()
		current, news := o.current, o.news
		o.mu.Unlock()
		if wanted(current) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		}
	}
}

func byInstance(a, b pool.Override) int { return cmp.Compare(a.Instance, b.Instance) }
