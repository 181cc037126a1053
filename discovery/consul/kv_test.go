package consul

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery/state"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

func storeOf(t *testing.T, c Config) state.KV {
	t.Helper()
	c.Cluster = "live"
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.transport.redial)
	return s.KV()
}

// watched is one report of a watch.
type watched struct {
	entries []state.Entry
	err     error
}

// watchKV reports what a watch of the prefix says until the test ends.
func watchKV(t *testing.T, kv state.KV, prefix string) <-chan watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reports, done := make(chan watched, 100), make(chan struct{})
	go func() {
		defer close(done)
		_ = kv.Watch(ctx, prefix, func(entries []state.Entry, err error) { reports <- watched{entries, err} })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return reports
}

func next(t *testing.T, reports <-chan watched, what string, ok func(watched) bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case r := <-reports:
			if ok(r) {
				return
			}
		case <-deadline:
			t.Fatalf("never reported: %s", what)
		}
	}
}

func TestRealKV(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{ACL: true})
	_, secret := grant(t, a, "state", statePolicy)
	c := prompt(a.HTTP)
	c.Token = secret
	kv := storeOf(t, c)
	ctx := t.Context()
	const key = "fairlead/overrides/shop-1"
	reports := watchKV(t, kv, "fairlead/overrides/")
	next(t, reports, "an empty set", func(w watched) bool { return w.err == nil && len(w.entries) == 0 })

	if _, err := kv.Get(ctx, key); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("reading a missing key: %v", err)
	}
	if err := kv.Delete(ctx, key, 0); err != nil {
		t.Errorf("deleting a missing key: %v", err)
	}
	if err := kv.CompareAndSet(ctx, key, []byte("one"), 7); !errors.Is(err, state.ErrConflict) {
		t.Errorf("changing a missing key: %v", err)
	}
	if err := kv.CompareAndSet(ctx, key, []byte("one"), 0); err != nil {
		t.Fatal(err)
	}
	next(t, reports, "one", func(w watched) bool {
		return w.err == nil && len(w.entries) == 1 && string(w.entries[0].Value) == "one"
	})
	if err := kv.CompareAndSet(ctx, key, []byte("two"), 0); !errors.Is(err, state.ErrConflict) {
		t.Errorf("making a key that is there: %v", err)
	}
	entry, err := kv.Get(ctx, key)
	if err != nil || entry.Key != key || string(entry.Value) != "one" || entry.Index == 0 {
		t.Fatalf("read %+v, %v", entry, err)
	}
	if err := kv.CompareAndSet(ctx, key, []byte("two"), entry.Index); err != nil {
		t.Fatal(err)
	}
	next(t, reports, "two", func(w watched) bool {
		return w.err == nil && len(w.entries) == 1 && string(w.entries[0].Value) == "two"
	})
	if err := kv.Delete(ctx, key, entry.Index); !errors.Is(err, state.ErrConflict) {
		t.Errorf("deleting what has changed: %v", err)
	}
	if err := kv.Delete(ctx, key, 0); err != nil {
		t.Fatal(err)
	}
	next(t, reports, "the deletion", func(w watched) bool { return w.err == nil && len(w.entries) == 0 })
	if err := kv.CompareAndSet(ctx, "other/key", []byte("x"), 0); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("writing without the right: %v", err)
	}
	if err := kv.CompareAndSet(ctx, key, make([]byte, 1<<20), 0); err == nil || errors.Is(err, state.ErrUnavailable) {
		t.Errorf("writing a value that is too large: %v", err)
	}

	a.Kill()
	if _, err := kv.Get(ctx, key); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("reading without a Consul: %v", err)
	}
	if err := kv.CompareAndSet(ctx, key, nil, 0); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("writing without a Consul: %v", err)
	}
	next(t, reports, "unavailable", func(w watched) bool { return errors.Is(w.err, state.ErrUnavailable) })
}

func TestRealKVAfterAnOutage(t *testing.T) {
	a := realconsul.Start(t, realconsul.Options{Persistent: true})
	kv := storeOf(t, prompt(a.HTTP))
	reports := watchKV(t, kv, "fairlead/")
	next(t, reports, "an empty set", func(w watched) bool { return w.err == nil })
	a.Stop()
	next(t, reports, "unavailable", func(w watched) bool { return w.err != nil })
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitLeader(time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Client().KV().Put(&api.KVPair{Key: "fairlead/k", Value: []byte("v")}, nil); err != nil {
		t.Fatal(err)
	}
	next(t, reports, "the key", func(w watched) bool { return w.err == nil && len(w.entries) == 1 })
}
