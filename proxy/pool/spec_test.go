package pool

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLayers(t *testing.T) {
	w := newWorld("", "test.")
	for i := range w.in.Clusters {
		w.in.Clusters[i].Config.Defaults = Settings{"retries": "1", "queue": "1", "slow_start": "1s"}
		w.in.Clusters[i].Config.Domains = map[string]Settings{"Shop.example.com": {"queue": "3", "policy": "hash"}}
		w.put(i, "shop.example.com", metaOf("fairlead_queue", "2", "fairlead_slow_start", "2s", "fairlead_policy", "fastest", "fairlead_nonsense", "1"))
	}
	w.put(0, "plain.example.com", plain)
	w.put(0, "other.example.com", plain)
	w.build()
	for i, c := range w.snap.Clusters {
		p := c.Exact["shop.example.com"]
		s := p.Spec
		if s.Retries != 1 || s.SlowStart != 2*time.Second || s.Queue != 3 || s.Policy != "hash" {
			t.Errorf("cluster %d: retries %d, slow start %v, queue %d, policy %s", i, s.Retries, s.SlowStart, s.Queue, s.Policy)
		}
		want := map[string]string{"retries": "configuration", "slow_start": "meta of service shop.example.com",
			"queue": "domain shop.example.com", "policy": "domain shop.example.com"}
		for key, layer := range want {
			if s.Origin[key] != layer {
				t.Errorf("%s is of %q, want %q", key, s.Origin[key], layer)
			}
		}
		if len(p.Problems) != 2 || !strings.Contains(p.Problems[0], `unknown setting "nonsense"`) || !strings.Contains(p.Problems[1], `policy "fastest"`) {
			t.Errorf("problems: %q", p.Problems)
		}
	}
	if w.pool(t, "plain.example.com").Spec != w.pool(t, "other.example.com").Spec {
		t.Error("pools without settings of their own do not share a Spec")
	}
	if DefaultSpec().Queue != 100 || w.pool(t, "plain.example.com").Spec.Queue != 1 {
		t.Error("a layer wrote into one below")
	}
}

// TestCopiesDiffer is about the Meta of a service whose copies do not agree.
func TestCopiesDiffer(t *testing.T) {
	w := newWorld("")
	w.put(0, "shop",
		all(metaOf("domain", "old.example.com", "domain_2", "old2.example.com", "fairlead_queue", "1", "fairlead_retries", "0"), index(10)),
		all(metaOf("domain", "new.example.com", "fairlead_queue", "2"), index(20)),
		all(metaOf("domain", "older.example.com", "fairlead_queue", "3"), index(5)))
	w.build()
	c := w.snap.Clusters[0]
	if len(c.Exact) != 1 {
		t.Fatalf("domains %v, want new.example.com alone", c.Exact)
	}
	p := w.pool(t, "new.example.com")
	if p.Spec.Queue != 2 || p.Spec.Retries != 0 {
		t.Errorf("queue %d, retries %d: want 2 of the newest copy, and 0 of the only one that says so", p.Spec.Queue, p.Spec.Retries)
	}
	for _, key := range []string{"domain:", "fairlead_queue:", "fairlead_retries:"} {
		if !slices.ContainsFunc(p.Problems, func(s string) bool { return strings.HasPrefix(s, key) && strings.Contains(s, "differ") }) {
			t.Errorf("no note about %s in %q", key, p.Problems)
		}
	}
	w.put(0, "tie", all(metaOf("domain", "a.example.com"), index(7)), all(metaOf("domain", "b.example.com"), index(7)))
	w.build()
	if w.snap.Clusters[0].Exact["b.example.com"] == nil {
		t.Error("of copies equally old, the higher ID does not hold")
	}
}

func TestMetaKeys(t *testing.T) {
	w := newWorld("")
	w.config().MetaKeys = []string{"domain", "fairlead_q*"}
	w.put(0, "a.example.com", metaOf("domain", "b.example.com", "domain_2", "c.example.com",
		"priority", "7", "fairlead_queue", "7", "fairlead_retries", "7"))
	w.build()
	p := w.pool(t, "c.example.com")
	if p.Spec.Queue != 7 || p.Spec.Retries != 2 || p.Members[0].Priority != 0 {
		t.Errorf("queue %d, retries %d, priority %d; want 7, 2, 0", p.Spec.Queue, p.Spec.Retries, p.Members[0].Priority)
	}
	if len(p.Problems) != 1 || !strings.HasPrefix(p.Problems[0], "fairlead_retries:") {
		t.Errorf("problems: %q", p.Problems)
	}
}

func FuzzSpecSet(f *testing.F) {
	for _, value := range []string{"hash", "header X-Id", "master=10,slave=9", "10s", "125", "off", "/health", "200-399", " serve "} {
		for _, key := range SettingKeys() {
			f.Add(key, value)
		}
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		before, s := DefaultSpec(), DefaultSpec()
		if err := s.Set(key, value); err != nil {
			if !equalSpecs(before, s) {
				t.Errorf("%s %q was refused (%v) and changed the Spec", key, value, err)
			}
			return
		}
		again := s.Clone()
		if err := again.Set(key, value); err != nil || !equalSpecs(s, again) {
			t.Errorf("%s %q has another effect the second time: %v", key, value, err)
		}
		if s.MinActive < 1 || s.HashBalance <= 100 || s.CheckStatusMin > s.CheckStatusMax || s.SlowStart < 0 || s.Queue < 0 {
			t.Errorf("%s %q made an impossible Spec: %+v", key, value, s)
		}
	})
}
