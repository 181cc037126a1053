package consul

import (
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// TestBuiltAnewBetweenReadsAndWatches: the agent that the services are read from is not the one that the watches then wait at. The
// indexes of the new one are lower, but for a service's that happens to be the same.
func TestBuiltAnewBetweenReadsAndWatches(t *testing.T) {
	const slowPath = "/v1/health/service/slow"
	for way, watches := range map[string]int{"watches": 100, "hints": 4} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			catalog := healthy()
			catalog[namesPath] = reply{index: 10, body: namesJSON("consul", "shop", "other", "slow", "s4", "s5", "s6")}
			catalog["/v1/catalog/nodes"] = reply{index: 10, body: `[{"Node":"n","ModifyIndex":9}]`}
			catalog[nodePath("n")] = reply{index: 10, body: onNode("a shop 5", "b shop 5", "o other 5")}
			catalog[slowPath] = reply{hang: true}
			s.say(catalog)
			c := quick(s)
			c.MaxWatches, c.Patience, c.Wait, c.Canary, c.Sweep = watches, time.Minute, time.Hour, time.Hour, time.Hour
			o := observe(t, c, nil)
			o.until(t, "what is read, all but the last service", func(o *observer) bool {
				return !o.complete && words(o, "shop") == "a b" && words(o, "other") == "o" && s.count(slowPath) == 1
			})
			s.say(map[string]reply{
				namesPath:                  {index: 3, body: namesJSON("consul")},
				shopPath:                   {index: 3, body: "[]"},
				otherPath:                  {index: 9, body: "[]"},
				slowPath:                   {index: 3, body: "[]"},
				"/v1/catalog/nodes":        {index: 3, body: `[{"Node":"server","ModifyIndex":2}]`},
				nodePath("n"):              {index: 1, body: `{"Node":null,"Services":[]}`},
				"/v1/health/state/warning": {index: 3, body: "[]"},
			})
			o.until(t, "the empty catalog", func(o *observer) bool { return o.complete && len(o.services) == 0 && len(o.status.Doubts) == 0 })
		})
	}
}

// TestDoubtAboutAServiceThatIsGone: it never answered, so that it is not held, and it is not listed any more when the watches begin.
func TestDoubtAboutAServiceThatIsGone(t *testing.T) {
	const badPath, slowPath = "/v1/health/service/bad", "/v1/health/service/slow"
	s := newScript(t)
	catalog := healthy()
	catalog[namesPath] = reply{index: 10, body: namesJSON("consul", "shop", "other", "bad", "slow")}
	catalog[badPath] = reply{index: 10, status: 500, body: "boom"}
	catalog[slowPath] = reply{hang: true}
	s.say(catalog)
	c := quick(s)
	c.Patience = time.Minute
	o := observe(t, c, nil)
	o.until(t, "the doubt", func(o *observer) bool {
		return o.doubts(discovery.SourceDoubt, "bad", "boom") && s.count(slowPath) == 1
	})
	s.say(map[string]reply{
		namesPath: {index: 11, body: namesJSON("consul", "shop", "other", "slow")},
		slowPath:  {index: 10, body: entriesJSON("z")},
	})
	o.until(t, "the end of the doubt", func(o *observer) bool { return o.complete && words(o, "slow") == "z" && len(o.status.Doubts) == 0 })
}

// TestDoubtAboutANodeThatIsGone: one node has a watch and the other is only asked, and neither answers until they leave.
func TestDoubtAboutANodeThatIsGone(t *testing.T) {
	s := newScript(t)
	catalog := hinted()
	catalog[nodePath("n")] = reply{index: 10, status: 500, body: "boom"}
	catalog[nodePath("m")] = reply{index: 10, status: 500, body: "boom"}
	s.say(catalog)
	c := quick(s)
	c.MaxWatches, c.Sweep = 5, time.Hour
	o := observe(t, c, nil)
	o.until(t, "the doubts", func(o *observer) bool {
		return o.doubts(discovery.SourceDoubt, "", "node n: ") && o.doubts(discovery.SourceDoubt, "", "node m: ")
	})
	s.say(map[string]reply{"/v1/catalog/nodes": {index: 11, body: `[]`}})
	o.until(t, "the end of the doubts", func(o *observer) bool { return len(o.status.Doubts) == 0 })
}

// TestANodeThatLeftBeforeTheWatches: what was read of it is read again.
func TestANodeThatLeftBeforeTheWatches(t *testing.T) {
	s := newScript(t)
	catalog := hinted()
	catalog["/v1/catalog/nodes"] = reply{index: 5, body: `[{"Node":"m","ModifyIndex":3}]`}
	s.say(catalog)
	c := quick(s)
	c.MaxWatches, c.Sweep = 6, time.Hour
	o := observe(t, c, nil)
	o.until(t, "another read of both services", func(*observer) bool { return s.count(shopPath) > 1 && s.count(otherPath) > 1 })
}
