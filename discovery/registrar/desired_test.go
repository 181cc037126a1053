package registrar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func TestDesired(t *testing.T) {
	ready := discovery.SourceStatus{Ready: true}
	doubt := func(service string) discovery.SourceStatus {
		return discovery.SourceStatus{Ready: true, Doubts: []discovery.Doubt{{Kind: discovery.SourceDoubt, Service: service, Reason: "r"}}}
	}
	set := func(ids ...string) map[string]*discovery.Service {
		var all []discovery.Instance
		for _, word := range ids {
			name, id, _ := strings.Cut(word, "/")
			all = append(all, instance(name, id, 80))
		}
		return grouped(all)
	}
	none := func(name string) map[string]*discovery.Service {
		return map[string]*discovery.Service{name: {Name: name}}
	}
	for _, test := range []struct {
		name    string
		updates []discovery.Update
		now     string
		kept    string
		removed string
	}{
		{name: "nothing heard"},
		{name: "a complete set", updates: []discovery.Update{{Services: set("a/1", "a/2", "b/3"), Complete: true}}, now: "1 2 3"},
		{name: "gone from a complete set", now: "1", removed: "2 3",
			updates: []discovery.Update{{Services: set("a/1", "a/2", "b/3"), Complete: true}, {Services: set("a/1"), Complete: true}}},
		{name: "gone from its service", now: "1 3", removed: "2",
			updates: []discovery.Update{{Services: set("a/1", "a/2", "b/3"), Complete: true}, {Services: set("a/1"), Status: ready}}},
		{name: "an empty service", now: "1 2", removed: "3",
			updates: []discovery.Update{{Services: set("a/1", "a/2", "b/3"), Complete: true}, {Services: none("b"), Status: ready}}},
		{name: "gone before all is heard", now: "1", kept: "2",
			updates: []discovery.Update{{Services: set("a/1", "a/2")}, {Services: set("a/1")}}},
		{name: "gone before, and still when all is heard", now: "1", removed: "2",
			updates: []discovery.Update{{Services: set("a/1", "a/2")}, {Services: set("a/1")}, {Services: set("a/1"), Complete: true}}},
		{name: "gone in doubt", now: "", kept: "1 2",
			updates: []discovery.Update{{Services: set("a/1", "a/2"), Complete: true}, {Complete: true, Status: doubt("")}}},
		{name: "gone in doubt, and back", now: "2", kept: "1",
			updates: []discovery.Update{{Services: set("a/1", "a/2"), Complete: true}, {Complete: true, Status: doubt("")}, {Services: set("a/2"), Status: doubt("")}}},
		{name: "gone in doubt that ends", now: "2", removed: "1",
			updates: []discovery.Update{{Services: set("a/1", "a/2"), Complete: true}, {Complete: true, Status: doubt("")}, {Services: set("a/2"), Complete: true}}},
		{name: "doubt about one service", now: "", kept: "1", removed: "3",
			updates: []discovery.Update{{Services: set("a/1", "b/3"), Complete: true}, {Complete: true, Status: doubt("a")}}},
		{name: "gone and back", now: "1",
			updates: []discovery.Update{{Services: set("a/1"), Complete: true}, {Complete: true}, {Services: set("a/1"), Complete: true}}},
		{name: "renamed", now: "1",
			updates: []discovery.Update{{Services: set("a/1"), Complete: true}, {Services: set("b/1"), Complete: true}}},
		{name: "a status alone", now: "1", updates: []discovery.Update{{Services: set("a/1"), Complete: true}, {Status: doubt("")}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesired()
			for _, u := range test.updates {
				d.take(time.Now(), u)
			}
			for what, got := range map[string]string{test.now: names(d.now), "kept " + test.kept: "kept " + names(d.kept), "removed " + test.removed: "removed " + names(d.removed)} {
				if got != what {
					t.Errorf("got %q, want %q", got, what)
				}
			}
		})
	}
}

func names[V any](m map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(m)), " ") }

func TestTwoClaimOneID(t *testing.T) {
	d := newDesired()
	d.take(time.Now(), discovery.Update{Services: grouped([]discovery.Instance{instance("b", "x", 1), instance("a", "x", 2), instance("a", "y", 3)}), Complete: true})
	all := d.build(Config{}.withDefaults(), identity{owner: "o", node: "n"})
	if all["x"].refused == nil || all["x"].want.Name != "a" || all["y"].refused != nil {
		t.Errorf("x is %+v, y is %+v", all["x"], all["y"])
	}
}

func TestMeta(t *testing.T) {
	many := map[string]string{"owner": "mine!", "node_id": "elsewhere", "registered_with": "x"}
	for n := range 70 {
		many[fmt.Sprintf("k%02d", n)] = "v"
	}
	for _, test := range []struct {
		name    string
		from    map[string]string
		pairs   int
		dropped string
	}{
		{"none", nil, 2, ""},
		{"plain", map[string]string{"a": "b", "fairlead_policy": "x"}, 4, ""},
		{"too many", many, 64, "more than 64 pairs"},
		{"a key of other characters", map[string]string{"a.b": "c"}, 2, `"a.b"`},
		{"a reserved key", map[string]string{"consul-x": "c"}, 2, `"consul-x"`},
		{"a long value", map[string]string{"a": strings.Repeat("x", 513), "b": strings.Repeat("x", 512)}, 3, `"a" (longer than 512)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, dropped := meta(identity{owner: "o", node: "n"}, test.from)
			if len(out) != test.pairs || out["owner"] != "o" || out["node_id"] != "n" || out["registered_with"] != "" {
				t.Errorf("Meta is %v", out)
			}
			if !strings.Contains(dropped, test.dropped) || (dropped == "") != (test.dropped == "") {
				t.Errorf("dropped %q, want %q", dropped, test.dropped)
			}
		})
	}
}
