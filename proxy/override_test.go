package proxy

import (
	"context"
	"errors"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/proxy/pool"
)

func drain(instance string) pool.Override {
	return pool.Override{Instance: instance, Action: pool.Drain, Author: "ann", Reason: "new disk"}
}

// serving runs an edge with two copies of a shop.
func serving(t *testing.T) (*world, *Edge) {
	w := newWorld(t, t.TempDir())
	e, _ := w.edge()
	w.say(w.live, "shop.example.com@10.1.0.1:80", "shop.example.com@10.1.0.2:80")
	return w, e
}

func TestOverrideIsStoredAndHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		began := time.Now()
		if err := e.SetOverride(t.Context(), drain(first)); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waited %s although the order was seen at once", waited)
		}
		all := e.Overrides()
		if len(all) != 1 || all[0].Address != "10.1.0.1:80" || !all[0].Created.Equal(began) {
			t.Fatalf("overrides: %+v", all)
		}
		after(10 * time.Millisecond)
		if m := member(t, e, first); m.State != pool.Draining || !strings.Contains(m.Reason, "ann: new disk") {
			t.Errorf("%s, %s", m.State, m.Reason)
		}
		if keys := w.store.keys(); len(keys) != 1 || keys[0] != "fairlead/overrides/live/node/shop.example.com@1" {
			t.Errorf("stored under %q", keys)
		}

		heavier := pool.Override{Instance: first, Action: pool.Weight, Weight: 7, Author: "bob", Reason: "test"}
		if err := e.SetOverride(t.Context(), heavier); err != nil {
			t.Fatal(err)
		}
		after(10 * time.Millisecond)
		if m := member(t, e, first); m.State != pool.Active || m.Weight != 7 {
			t.Errorf("a newer order does not replace the older one: %s, weight %d", m.State, m.Weight)
		}

		if err := e.DeleteOverride(t.Context(), first); err != nil || len(e.Overrides()) != 0 {
			t.Fatalf("%v, left: %v", err, e.Overrides())
		}
		after(10 * time.Millisecond)
		if m := member(t, e, first); m.Weight != 1 || len(w.store.keys()) != 0 {
			t.Errorf("it still holds: weight %d, keys %v", m.Weight, w.store.keys())
		}
	})
}

func TestBadOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		w.say(w.test, "shop.example.com@10.2.0.1:80")
		for name, c := range map[string]struct {
			change func(*pool.Override)
			kind   error
			want   string
		}{
			"no such instance": {func(o *pool.Override) { o.Instance += "0" }, ErrUnknown, `unknown instance "live/node/shop.example.com@10"`},
			"no such cluster":  {func(o *pool.Override) { o.Instance = "stage/a/b" }, ErrUnknown, "no cluster is named like that"},
			"no instance":      {func(o *pool.Override) { o.Instance = "" }, ErrBadOrder, "it names no instance"},
			"action":           {func(o *pool.Override) { o.Action = "kill" }, ErrBadOrder, `action "kill" is none of`},
			"no weight":        {func(o *pool.Override) { o.Action = pool.Weight }, ErrBadOrder, "weight 0 is not from 1 to 65535"},
			"too heavy":        {func(o *pool.Override) { o.Action, o.Weight = pool.Weight, 65536 }, ErrBadOrder, "weight 65536"},
			"weighted drain":   {func(o *pool.Override) { o.Weight = 3 }, ErrBadOrder, "goes with action weight"},
			"no author":        {func(o *pool.Override) { o.Author = " " }, ErrBadOrder, "it has no author"},
			"no reason":        {func(o *pool.Override) { o.Reason = "" }, ErrBadOrder, "it has no reason"},
			"expired":          {func(o *pool.Override) { o.Expires = time.Now() }, ErrBadOrder, "expired already"},
			"no state":         {func(o *pool.Override) { o.Instance = "test/node/shop.example.com@1" }, state.ErrUnavailable, "cluster test has none configured"},
		} {
			o := drain(first)
			c.change(&o)
			if err := e.SetOverride(t.Context(), o); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", name, err, c.want)
			}
		}
		if err := e.DeleteOverride(t.Context(), first); !errors.Is(err, ErrUnknown) {
			t.Errorf("deleting what is not there: %v", err)
		}
		if len(w.store.keys()) != 0 {
			t.Errorf("something was stored: %v", w.store.keys())
		}
	})
}

func TestLastKnownOverridesHoldWithoutState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		if err := e.SetOverride(t.Context(), drain(first)); err != nil {
			t.Fatal(err)
		}
		w.store.reach(false)
		after(time.Minute)
		if m := member(t, e, first); m.State != pool.Draining {
			t.Errorf("the order is lost with the state: %s", m.State)
		}
		if err := e.SetOverride(t.Context(), drain(second)); !errors.Is(err, state.ErrUnavailable) {
			t.Errorf("storing: %v", err)
		}
		if err := e.DeleteOverride(t.Context(), first); !errors.Is(err, state.ErrUnavailable) {
			t.Errorf("deleting: %v", err)
		}
		w.store.reach(true)
		after(time.Second)
		if n := w.log.count("overrides cannot be read"); n != 1 || w.log.count("overrides can be read again") != 1 {
			t.Errorf("%d lines on the loss of the state:\n%s", n, w.log)
		}
	})
}

func TestVoidOverrideIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		if err := e.SetOverride(t.Context(), drain(first)); err != nil {
			t.Fatal(err)
		}
		w.say(w.live)
		after(time.Minute)
		if len(w.store.keys()) != 1 {
			t.Fatal("the order is gone although its instance is merely away")
		}
		w.say(w.live, "shop.example.com@10.1.0.9:80")
		if m := member(t, e, first); m.State != pool.Active {
			t.Errorf("the order holds for another address: %s, %s", m.State, m.Reason)
		}
		after(20 * time.Second)
		if len(w.store.keys()) != 1 {
			t.Error("removed at once: an edge that lags behind would remove what was ordered with newer facts")
		}
		after(11 * time.Second)
		if len(w.store.keys()) != 0 || len(e.Overrides()) != 0 {
			t.Errorf("the order is still there: %v, %v", w.store.keys(), e.Overrides())
		}
		if n := w.log.count("override removed", "void: the instance is at 10.1.0.9:80 now", first); n != 1 {
			t.Errorf("%d lines on its removal:\n%s", n, w.log)
		}
	})
}

// Where an instance stands is not known while the facts are in doubt.
func TestOverrideIsNotVoidInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		if err := e.SetOverride(t.Context(), drain(first)); err != nil {
			t.Fatal(err)
		}
		o := e.clusters[0].orders
		moved := *e.Facts("live")
		moved.Version++
		moved.Services = map[string]*discovery.Service{"shop.example.com": {Instances: []discovery.Instance{{ID: first, Address: "10.1.0.9", Port: 80}}}}
		moved.Doubts = []discovery.Doubt{{Kind: discovery.MassDoubt}}
		held := moved
		held.Doubts = nil
		held.Services = map[string]*discovery.Service{"shop.example.com": {Instances: []discovery.Instance{{ID: first, Address: "10.1.0.9", Port: 80, Held: "restored"}}}}
		for name, facts := range map[string]*discovery.Facts{"in doubt": &moved, "held": &held} {
			o.look(facts)
			after(time.Minute)
			if len(w.store.keys()) != 1 {
				t.Errorf("%s: removed", name)
			}
			facts.Version += 10
		}
	})
}

func TestExpiredOverrideIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		o := drain(first)
		o.Expires = time.Now().Add(time.Hour)
		if err := e.SetOverride(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		after(59 * time.Minute)
		if m := member(t, e, first); m.State != pool.Draining {
			t.Fatalf("%s before its time", m.State)
		}
		w.store.reach(false)
		after(61 * time.Second)
		if m := member(t, e, first); m.State != pool.Active {
			t.Errorf("%s after its time, though the state be out of reach", m.State)
		}
		w.store.reach(true)
		after(31 * time.Second)
		if len(w.store.keys()) != 0 || w.log.count("override removed", "expired at") != 1 {
			t.Errorf("not removed once the state was back: %v\n%s", w.store.keys(), w.log)
		}
	})
}

// Documents are written by people and other programs too.
func TestDocumentsThatMakeNoSense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		for key, value := range map[string]string{
			"fairlead/overrides/live/node/a":                  `{"instance":`,
			"fairlead/overrides/live/node/b":                  `{"instance":"live/node/b","action":"drain","author":"x"}`,
			"fairlead/overrides/live/node/c":                  `{"instance":"` + first + `","action":"drain","author":"x","reason":"y","address":"10.1.0.1:80"}`,
			"fairlead/overrides/live/node/shop.example.com@2": `{"instance":"` + second + `","action":"disable","author":"x","reason":"y","address":"10.1.0.2:80","expires":"2100-01-01T02:00:00+02:00"}`,
		} {
			if err := w.store.CompareAndSet(t.Context(), key, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
		after(10 * time.Millisecond)
		if all := e.Overrides(); len(all) != 1 || all[0].Instance != second {
			t.Errorf("overrides: %+v", all)
		}
		if m := member(t, e, second); m.State != pool.Disabled {
			t.Errorf("the good one does not hold: %s", m.State)
		}
		for _, why := range []string{"unexpected end of JSON", "it has no reason", "does not belong there"} {
			if n := w.log.count("override refused", why); n != 1 {
				t.Errorf("%d lines on %q, want 1", n, why)
			}
		}
		if len(w.store.keys()) != 4 {
			t.Errorf("documents that make no sense were removed: %v", w.store.keys())
		}
	})
}

// A process that starts while everything else is down serves what it served, with the orders it had.
func TestRestartDuringAnOutage(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		e, _ := w.edge()
		w.say(w.live, "shop.example.com@10.1.0.1:80", "shop.example.com@10.1.0.2:80")
		o := drain(first)
		o.Action = pool.Disable
		if err := e.SetOverride(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		after(10 * time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.store.reach(false)
		e, err := New(w.shared, w.config)
		if err != nil {
			t.Fatal(err)
		}
		e.Prime()
		if err := e.Ready(); err != nil {
			t.Error(err)
		}
		if m := member(t, e, first); m.State != pool.Disabled {
			t.Errorf("the first snapshot has %s as %s", first, m.State)
		}
		if m := member(t, e, second); m.State != pool.Active {
			t.Errorf("the first snapshot has %s as %s", second, m.State)
		}
		w.background(e.Run)
		after(time.Minute)
		if m := member(t, e, first); m.State != pool.Disabled {
			t.Errorf("the order is lost while the state is out of reach: %s", m.State)
		}
		w.store.reach(true)
		after(time.Second)
		if m := member(t, e, first); m.State != pool.Active {
			t.Errorf("the state has no order any more, but it holds: %s", m.State)
		}
	})
}

func TestKeysOfOddInstances(t *testing.T) {
	o := newOrders("live", nil, nil, 0, Config{}.withDefaults().Logger, nil)
	seen := map[string]string{}
	for _, id := range []string{
		"live/a/b", "live/a/b/c", "live/a/b%2Fc", "live/a/host:shop 1:80:udp", "live/a/", "live/a/%", "live/a/%25", "live/a/\x00",
		"live/a/.", "live/a/..", "live/a/%2E", "live/a/%2E%2E", "live/a/...", "live/a/../..", "live/./b", "live/../b", "live//b", "live//",
	} {
		key := o.key(id)
		if !strings.HasPrefix(key, "fairlead/overrides/live/") || strings.Count(key, "/") != 4 || path.Clean(key) != key {
			t.Errorf("%s is stored under %s", id, key)
		}
		if other, taken := seen[key]; taken {
			t.Errorf("%s and %s are stored under the same key", id, other)
		}
		seen[key] = id
	}
}

// A lost race with another operator is tried again, but not for ever.
func TestConflictingOrders(t *testing.T) {
	o := newOrders("live", &racing{store: newStore()}, nil, 0, Config{}.withDefaults().Logger, nil)
	if err := o.put(context.Background(), drain(first)); !errors.Is(err, state.ErrConflict) {
		t.Errorf("got %v", err)
	}
	once := &racing{store: newStore(), times: 1}
	o = newOrders("live", once, nil, 0, Config{}.withDefaults().Logger, nil)
	if err := o.put(context.Background(), drain(first)); err != nil || len(once.keys()) != 1 {
		t.Errorf("got %v, stored %v", err, once.keys())
	}
}

// racing is a store in which somebody else is always, or so many times, faster.
type racing struct {
	*store
	times, lost int
}

func (r *racing) CompareAndSet(ctx context.Context, key string, value []byte, index uint64) error {
	if r.lost++; r.times == 0 || r.lost <= r.times {
		return state.ErrConflict
	}
	return r.store.CompareAndSet(ctx, key, value, index)
}
