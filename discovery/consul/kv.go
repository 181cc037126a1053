package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery/state"
)

// KV returns the key-value store of the same Consul, for the cluster's shared documents. It may be used while the source does not
// run, and its silence is no doubt about the source.
func (s *Source) KV() state.KV { return &store{config: s.config, client: s.client} }

var _ state.KV = (*store)(nil)

// store is Consul's key-value store (developer.hashicorp.com/consul/api-docs/kv).
type store struct {
	config Config
	client *client
}

// Get implements state.KV.
func (k *store) Get(ctx context.Context, key string) (state.Entry, error) {
	var pair *api.KVPair
	_, err := k.client.query(ctx, ask{}, func(o *api.QueryOptions) (meta *api.QueryMeta, err error) {
		pair, meta, err = k.client.api.KV().Get(key, o)
		return meta, err
	})
	switch {
	case err != nil:
		return state.Entry{}, unavailable("reading "+key, err)
	case pair == nil:
		return state.Entry{}, fmt.Errorf("reading %s: %w", key, state.ErrNotFound)
	}
	return entryOf(pair), nil
}

// CompareAndSet implements state.KV.
func (k *store) CompareAndSet(ctx context.Context, key string, value []byte, index uint64) error {
	return k.write(ctx, "writing "+key, func(o *api.WriteOptions) (bool, error) {
		done, _, err := k.client.api.KV().CAS(&api.KVPair{Key: key, Value: value, ModifyIndex: index}, o)
		return done, err
	})
}

// Delete implements state.KV.
func (k *store) Delete(ctx context.Context, key string, index uint64) error {
	return k.write(ctx, "deleting "+key, func(o *api.WriteOptions) (bool, error) {
		if index == 0 {
			_, err := k.client.api.KV().Delete(key, o)
			return true, err
		}
		done, _, err := k.client.api.KV().DeleteCAS(&api.KVPair{Key: key, ModifyIndex: index}, o)
		return done, err
	})
}

func (k *store) write(ctx context.Context, what string, run func(*api.WriteOptions) (done bool, err error)) error {
	limited, cancel := context.WithTimeout(ctx, k.config.Timeout)
	defer cancel()
	done, err := run((&api.WriteOptions{}).WithContext(limited))
	var refused api.StatusError
	switch {
	case errors.As(err, &refused) && refused.Code == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%s: larger than Consul stores (limits.kv_max_value_size): %w", what, err)
	case err != nil:
		return unavailable(what, explain(err))
	case !done:
		return fmt.Errorf("%s: %w", what, state.ErrConflict)
	}
	return nil
}

// Watch implements state.KV. Each wait is as short as the source's canary's, so that a dead connection is noticed as soon.
func (k *store) Watch(ctx context.Context, prefix string, report func([]state.Entry, error)) error {
	var index uint64
	failures, reported := 0, false
	limit := newLimiter(k.config.Interval)
	for {
		how := ask{}
		if failures == 0 && index > 0 {
			how.index, how.wait = index, k.config.Canary
		}
		var pairs api.KVPairs
		got, err := k.client.query(ctx, how, func(o *api.QueryOptions) (meta *api.QueryMeta, err error) {
			pairs, meta, err = k.client.api.KV().List(prefix, o)
			return meta, err
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failures++
			reported = false
			report(nil, unavailable("watching "+prefix, err))
			if err := sleep(ctx, backoff(k.config.BackoffMin, k.config.BackoffMax, failures)); err != nil {
				return err
			}
			continue
		}
		if !reported || got.index != index {
			report(entriesOf(pairs), nil)
		}
		// A lower index, of a Consul restored or built anew, is where to go on from: the set was read whole.
		failures, index, reported = 0, got.index, true
		if err := sleep(ctx, limit.delay(time.Now(), min(k.config.MaxPause, got.took))); err != nil {
			return err
		}
	}
}

func entryOf(pair *api.KVPair) state.Entry {
	return state.Entry{Key: pair.Key, Value: pair.Value, Index: pair.ModifyIndex}
}

func entriesOf(pairs api.KVPairs) []state.Entry {
	out := make([]state.Entry, 0, len(pairs))
	for _, pair := range pairs {
		out = append(out, entryOf(pair))
	}
	slices.SortFunc(out, func(a, b state.Entry) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// unavailable gives an error of a store that does not answer, or not for us, its kind.
func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, state.ErrUnavailable, err)
}
