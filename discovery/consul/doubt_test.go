package consul

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

const (
	shopPath  = "/v1/health/service/shop"
	otherPath = "/v1/health/service/other"
)

// healthy is a catalog with the service shop of two instances and the service other of one.
func healthy() map[string]reply {
	return map[string]reply{
		namesPath: {index: 10, body: namesJSON("consul", "shop", "other")},
		shopPath:  {index: 8, body: entriesJSON("a", "b")},
		otherPath: {index: 9, body: entriesJSON("o")},
	}
}

// TestAnswers shows what a healthy catalog makes of each kind of answer for the service shop, and how a doubt ends.
func TestAnswers(t *testing.T) {
	names := func(index uint64, names ...string) reply { return reply{index: index, body: namesJSON(names...)} }
	for _, c := range []struct {
		name string
		says map[string]reply
		// kind, service and reason of the doubt that must show, or none: then the instances must become these.
		kind    discovery.DoubtKind
		service string
		reason  string
		want    string
	}{
		{"500", map[string]reply{shopPath: {index: 8, status: 500, body: "boom"}}, discovery.SourceDoubt, "shop", "answers 500: boom", ""},
		{"429", map[string]reply{shopPath: {index: 8, status: 429, body: "Your IP is issuing too many concurrent connections, please rate limit your calls\n"}},
			discovery.SourceDoubt, "shop", "limits.http_max_conns_per_client", ""},
		{"429 of a server's limit", map[string]reply{shopPath: {index: 8, status: 429, body: "rate limit exceeded for operation"}},
			discovery.SourceDoubt, "shop", "limits.request_limits", ""},
		{"403", map[string]reply{shopPath: {index: 8, status: 403, body: "ACL not found"}}, discovery.SourceDoubt, "shop", "docs/acl.md", ""},
		{"no leader", map[string]reply{shopPath: {index: 9, noLeader: true, body: "[]"}}, discovery.SourceDoubt, "shop", "no leader", ""},
		{"filtered", map[string]reply{shopPath: {index: 9, filtered: true, body: "[]"}}, discovery.SourceDoubt, "shop", "filtered by ACL", ""},
		{"filtered, half of it left", map[string]reply{shopPath: {index: 9, filtered: true, body: entriesJSON("a")}}, discovery.SourceDoubt, "shop", "filtered by ACL", ""},
		{"no index", map[string]reply{shopPath: {index: 9, noIndex: true, body: "[]"}}, discovery.SourceDoubt, "shop", "no X-Consul-Index", ""},
		{"index 0", map[string]reply{shopPath: {index: 0, body: "[]"}}, discovery.SourceDoubt, "shop", "no X-Consul-Index", ""},
		{"HTML", map[string]reply{shopPath: {index: 9, body: "<html>Sign in</html>"}}, discovery.SourceDoubt, "shop", "reading the answer", ""},
		{"null", map[string]reply{shopPath: {index: 9, body: "null"}}, discovery.SourceDoubt, "shop", "null", ""},
		{"cut short", map[string]reply{shopPath: {index: 9, body: entriesJSON("a", "b")[:60]}}, discovery.SourceDoubt, "shop", "reading the answer", ""},
		{"an entry without a node", map[string]reply{shopPath: {index: 9, body: `[{"Service":{"ID":"a"}}]`}}, discovery.SourceDoubt, "shop", "no node", ""},
		{"lost rights: empty at the same index", map[string]reply{shopPath: {index: 8, streamed: false, body: "[]"}, otherPath: {index: 9, body: "[]"}, namesPath: names(11)},
			discovery.ShrinkDoubt, "shop", "the index stands at 8", ""},
		{"empty at a higher index, a consistent read disagrees", map[string]reply{shopPath: {index: 12, body: "[]", consistent: &reply{index: 12, body: entriesJSON("a", "b")}}},
			"", "", "", "a b"},
		{"empty at a higher index, the names disagree", map[string]reply{shopPath: {index: 12, body: "[]"}},
			discovery.ShrinkDoubt, "shop", "list of names still has the service", ""},
		{"empty at a higher index, the consistent read is filtered", map[string]reply{shopPath: {index: 12, body: "[]", consistent: &reply{index: 12, filtered: true, body: "[]"}}},
			discovery.SourceDoubt, "shop", "filtered by ACL", ""},
		{"empty at a higher index, the names lack the servers", map[string]reply{shopPath: {index: 12, body: "[]"}, namesPath: names(11, "other")},
			discovery.SourceDoubt, "", "lost rights", ""},
		{"empty at a higher index, the names lack a service that lies", map[string]reply{shopPath: {index: 12, body: "[]"}, otherPath: {index: 9, body: "[]"}, namesPath: names(11, "consul")},
			discovery.SourceDoubt, "", "lost rights", ""},
		{"deregistered", map[string]reply{shopPath: {index: 12, body: "[]"}, namesPath: names(11, "consul", "other")}, "", "", "", ""},
		{"one deregistered", map[string]reply{shopPath: {index: 12, body: entriesJSON("b")}}, "", "", "", "b"},
		{"one critical", map[string]reply{shopPath: {index: 12, body: entriesJSON("a", "b!")}}, "", "", "", "a b!"},
		{"all critical", map[string]reply{shopPath: {index: 12, body: entriesJSON("a!", "b!")}}, "", "", "", "a! b!"},
		{"one more", map[string]reply{shopPath: {index: 12, body: entriesJSON("a", "b", "c")}}, "", "", "", "a b c"},
		{"more at once out of a streaming view", map[string]reply{shopPath: {index: 12, streamed: true, body: entriesJSON("a", "b", "c")}}, "", "", "", "a b c"},
		{"rebuilt: lower index, one left", map[string]reply{shopPath: {index: 3, body: entriesJSON("a")}}, "", "", "", "a"},
		{"rebuilt: lower index, empty", map[string]reply{shopPath: {index: 3, body: "[]"}, namesPath: names(4, "consul", "other"), otherPath: {index: 4, body: entriesJSON("o")}}, "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.say(healthy())
			o := observe(t, quick(s), nil)
			o.until(t, "a healthy start", func(o *observer) bool { return o.complete && words(o, "shop") == "a b" && words(o, "other") == "o" })
			s.say(c.says)
			if c.kind == "" {
				o.until(t, "shop to have "+c.want, func(o *observer) bool { return words(o, "shop") == c.want && len(o.status.Doubts) == 0 })
				return
			}
			o.until(t, "the doubt", func(o *observer) bool { return o.doubts(c.kind, c.service, c.reason) })
			time.Sleep(30 * time.Millisecond) // several more of these answers
			o.until(t, "the facts to stay", func(o *observer) bool { return words(o, "shop") == "a b" && words(o, "other") == "o" })
			s.say(map[string]reply{
				shopPath: {index: 20, body: entriesJSON("a", "c")}, otherPath: {index: 20, body: entriesJSON("o")},
				namesPath: names(20, "consul", "shop", "other"),
			})
			o.until(t, "the doubt to end", func(o *observer) bool { return words(o, "shop") == "a c" && len(o.status.Doubts) == 0 })
		})
	}
}

// words writes a service's instances as the script does. Its caller holds the lock.
func words(o *observer, service string) string {
	s := o.services[service]
	if s == nil {
		return ""
	}
	var out []string
	for _, i := range s.Instances {
		name := i.ServiceID
		if i.Health == discovery.Critical {
			name += "!"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// TestKnownFactsDoubtAFirstAnswer shows that facts of an earlier life stand against a first answer that lies.
func TestKnownFactsDoubtAFirstAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		index uint64 // of the empty answer; what is known has 8
		kind  discovery.DoubtKind
	}{
		{"the same index", 8, discovery.ShrinkDoubt},
		{"a higher index", 12, ""},
		{"a lower index", 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.say(map[string]reply{
				namesPath: {index: 10, body: namesJSON("consul")},
				shopPath:  {index: c.index, body: "[]"},
			})
			known := map[string]*discovery.Service{"shop": set(8, "a")}
			known["shop"].Instances[0].ID = "live/n/a"
			o := observe(t, quick(s), known)
			if c.kind == "" {
				o.until(t, "the service to go", func(o *observer) bool {
					return o.complete && o.services["shop"] == nil && len(o.status.Doubts) == 0 && s.count(shopPath) > 1
				})
				return
			}
			o.until(t, "the doubt", func(o *observer) bool {
				return o.complete && o.doubts(c.kind, "shop", "the index stands") && words(o, "shop") == "a"
			})
		})
	}
}

// TestOneBadServiceHoldsBackNobody: one hangs from the start, and another comes and goes meanwhile.
func TestOneBadServiceHoldsBackNobody(t *testing.T) {
	for way, watches := range map[string]int{"watches": 100, "hints": 4} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			catalog := healthy()
			catalog[shopPath] = reply{hang: true}
			catalog["/v1/catalog/nodes"] = reply{index: 5, body: `[]`}
			s.say(catalog)
			c := quick(s)
			c.MaxWatches, c.Patience, c.Sweep = watches, 50*time.Millisecond, 50*time.Millisecond
			if watches == 4 {
				catalog[namesPath] = reply{index: 10, body: namesJSON("consul", "shop", "other", "third", "fourth", "fifth")}
				s.say(catalog)
			}
			o := observe(t, c, nil)
			o.until(t, "the others", func(o *observer) bool { return o.complete && words(o, "other") == "o" && words(o, "shop") == "" })
			s.say(map[string]reply{otherPath: {index: 12, body: entriesJSON("o", "p")}})
			o.until(t, "a change of another", func(o *observer) bool { return words(o, "other") == "o p" })
			o.until(t, "the doubt", func(o *observer) bool { return o.doubts(discovery.SourceDoubt, "shop", "no answer within") })
			s.say(map[string]reply{shopPath: {index: 13, body: entriesJSON("a")}})
			o.until(t, "the bad one", func(o *observer) bool { return words(o, "shop") == "a" && len(o.status.Doubts) == 0 })
		})
	}
}

// TestWholeSourceInDoubt shows what the list of names says of the source as a whole.
func TestWholeSourceInDoubt(t *testing.T) {
	for _, c := range []struct {
		name   string
		says   reply
		reason string
	}{
		{"500", reply{index: 10, status: 500, body: "No cluster leader"}, "No cluster leader"},
		{"no leader", reply{index: 11, noLeader: true, body: "{}"}, "no leader"},
		{"filtered", reply{index: 11, filtered: true, body: "{}"}, "filtered by ACL"},
		{"null", reply{index: 11, body: "null"}, "null"},
		{"a list", reply{index: 11, body: "[]"}, "reading the answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.say(healthy())
			o := observe(t, quick(s), nil)
			o.until(t, "a healthy start", func(o *observer) bool { return o.complete && words(o, "shop") == "a b" })
			s.say(map[string]reply{namesPath: c.says})
			o.until(t, "the doubt", func(o *observer) bool {
				return o.doubts(discovery.SourceDoubt, "", c.reason) && words(o, "shop") == "a b"
			})
			s.say(map[string]reply{namesPath: {index: 12, body: namesJSON("consul", "shop", "other")}})
			o.until(t, "its end", func(o *observer) bool { return len(o.status.Doubts) == 0 && words(o, "shop") == "a b" })
		})
	}
}
