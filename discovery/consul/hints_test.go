package consul

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name    string
		was, is map[string]hint
		want    map[string]uint64
	}{
		{"nothing", map[string]hint{"a": {"shop", 1}}, map[string]hint{"a": {"shop", 1}}, nil},
		{"new", nil, map[string]hint{"a": {"shop", 1}}, map[string]uint64{"shop": 1}},
		{"changed", map[string]hint{"a": {"shop", 1}}, map[string]hint{"a": {"shop", 2}}, map[string]uint64{"shop": 2}},
		{"gone", map[string]hint{"a": {"shop", 1}, "b": {"other", 1}}, map[string]hint{"b": {"other", 1}}, map[string]uint64{"shop": newest}},
		{"another service by the same ID", map[string]hint{"a": {"shop", 1}}, map[string]hint{"a": {"other", 2}}, map[string]uint64{"shop": newest, "other": 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[string]uint64{}
			diff(c.was, c.is, newest, func(service string, least uint64) { got[service] = least })
			if !maps.Equal(got, c.want) {
				t.Errorf("marked %v, want %v", got, c.want)
			}
		})
	}
}

// hinted is a catalog too large for a watch each, with the nodes n and m, and every service on n.
func hinted() map[string]reply {
	catalog := healthy()
	catalog[namesPath] = reply{index: 10, body: namesJSON("consul", "shop", "other", "s3", "s4", "s5", "s6")}
	catalog["/v1/catalog/nodes"] = reply{index: 5, body: `[{"Node":"n","ModifyIndex":2},{"Node":"m","ModifyIndex":3}]`}
	catalog[nodePath("n")] = reply{index: 10, body: onNode("a shop 5", "b shop 5", "o other 5")}
	catalog[nodePath("m")] = reply{index: 10, body: onNode()}
	return catalog
}

// TestHints: what each watch's answer has read again, with two nodes watched and with one that is only asked.
func TestHints(t *testing.T) {
	for _, c := range []struct {
		name string
		says map[string]reply
		path string // that must be read once more
	}{
		{"a registration changed", map[string]reply{
			nodePath("n"): {index: 11, body: onNode("a shop 5", "b shop 11", "o other 5")},
			namesPath:     {index: 11, body: namesJSON("consul", "shop", "other", "s3", "s4", "s5", "s6")},
		}, shopPath},
		{"a registration went", map[string]reply{
			nodePath("n"): {index: 11, body: onNode("a shop 5", "b shop 5")},
			namesPath:     {index: 11, body: namesJSON("consul", "shop", "other", "s3", "s4", "s5", "s6")},
		}, otherPath},
		{"a new service on the other node", map[string]reply{
			nodePath("m"): {index: 11, body: onNode("x fresh 11")},
			namesPath:     {index: 11, body: namesJSON("consul", "shop", "other", "s3", "s4", "s5", "s6", "fresh")},
		}, servicePath("fresh")},
		{"the node has another address", map[string]reply{"/v1/catalog/nodes": {index: 11, body: `[{"Node":"n","ModifyIndex":11},{"Node":"m","ModifyIndex":3}]`}}, otherPath},
		{"the node went", map[string]reply{"/v1/catalog/nodes": {index: 11, body: `[{"Node":"m","ModifyIndex":3}]`}}, shopPath},
		{"a check is critical", map[string]reply{"/v1/health/state/critical": {index: 11, body: `[{"Node":"n","CheckID":"c","ServiceName":"shop","ModifyIndex":8}]`}}, shopPath},
		{"a check warns", map[string]reply{"/v1/health/state/warning": {index: 11, body: `[{"Node":"n","CheckID":"c","ServiceName":"other","ModifyIndex":9}]`}}, otherPath},
		{"a check of the node is critical", map[string]reply{"/v1/health/state/critical": {index: 11, body: `[{"Node":"n","CheckID":"serfHealth","ModifyIndex":8}]`}}, otherPath},
	} {
		for _, watches := range []int{6, 5} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := newScript(t)
				s.say(hinted())
				config := quick(s)
				config.MaxWatches, config.Wait, config.Sweep = watches, 10*time.Second, time.Hour
				o := observe(t, config, nil)
				o.until(t, "a healthy start", func(o *observer) bool {
					return o.complete && words(o, "shop") == "a b" && o.status.Watches >= watches-1 && s.count(nodePath("n")) > 0 && s.count(nodePath("m")) > 0
				})
				settle(s, c.path)
				before := s.count(c.path)
				s.say(c.says)
				o.until(t, "another read of "+c.path, func(*observer) bool { return s.count(c.path) > before })
			})
		}
	}
}

// settle waits until a path is no longer asked for.
func settle(s *script, path string) {
	for was := -1; was != s.count(path); {
		was = s.count(path)
		time.Sleep(20 * time.Millisecond)
	}
}

func TestSweepReadsEverythingAgain(t *testing.T) {
	s := newScript(t)
	s.say(hinted())
	config := quick(s)
	config.MaxWatches, config.Sweep = 6, 50*time.Millisecond
	o := observe(t, config, nil)
	o.until(t, "three sweeps", func(*observer) bool {
		return !slices.ContainsFunc([]string{shopPath, otherPath, servicePath("s6")}, func(path string) bool { return s.count(path) < 4 })
	})
}

// TestAnOlderReadIsAskedAgain: a single read that does not yet know what the hint told is put to the leader.
func TestAnOlderReadIsAskedAgain(t *testing.T) {
	s := newScript(t)
	s.say(hinted())
	config := quick(s)
	config.MaxWatches, config.Sweep = 6, time.Hour
	o := observe(t, config, nil)
	o.until(t, "a healthy start", func(o *observer) bool { return o.complete && words(o, "shop") == "a b" })
	s.say(map[string]reply{
		shopPath:      {index: 8, body: entriesJSON("a", "b"), consistent: &reply{index: 11, body: entriesJSON("a", "b", "c")}},
		nodePath("n"): {index: 11, body: onNode("a shop 5", "b shop 5", "c shop 11", "o other 5")},
	})
	o.until(t, "what the leader knows", func(o *observer) bool { return words(o, "shop") == "a b c" })
}

// TestACrowdedNode has no watch of its own: the list of names tells what came, and has the node asked for everything else.
func TestACrowdedNode(t *testing.T) {
	registrations := func(more ...string) string {
		all := append([]string{"a shop 5", "b shop 5", "o other 5"}, more...)
		for i := range crowd {
			all = append(all, fmt.Sprintf("x%d s3 5", i))
		}
		return onNode(all...)
	}
	named := func(index uint64, more ...string) reply {
		return reply{index: index, body: namesJSON(append([]string{"consul", "shop", "other", "s3", "s4", "s5", "s6"}, more...)...)}
	}
	s := newScript(t)
	catalog := hinted()
	catalog[nodePath("n")] = reply{index: 10, body: registrations()}
	s.say(catalog)
	config := quick(s)
	config.MaxWatches, config.Wait, config.Sweep = 6, time.Hour, time.Hour
	o := observe(t, config, nil)
	// The nodes, two of checks, the other node, and the names; the crowded node was asked twice.
	o.until(t, "a healthy start", func(o *observer) bool {
		return o.complete && words(o, "shop") == "a b" && o.status.Watches == 5 && s.count(nodePath("n")) >= 2
	})
	s.say(map[string]reply{namesPath: named(11, "fresh"), servicePath("fresh"): {index: 11, body: entriesJSON("f")}})
	o.until(t, "a new service", func(o *observer) bool { return words(o, "fresh") == "f" })
	s.say(map[string]reply{
		nodePath("n"): {index: 12, body: registrations("c shop 12", "f fresh 11")},
		namesPath:     named(12, "fresh"),
		shopPath:      {index: 12, body: entriesJSON("a", "b", "c")},
	})
	o.until(t, "one more of a known service", func(o *observer) bool { return words(o, "shop") == "a b c" && len(o.status.Doubts) == 0 })
	// With few services it has a watch.
	s.say(map[string]reply{
		nodePath("n"): {index: 13, body: onNode("a shop 5", "b shop 5", "c shop 12", "f fresh 11", "o other 5")},
		namesPath:     named(13, "fresh"),
	})
	o.until(t, "a watch", func(o *observer) bool { return o.status.Watches == 6 })
}
