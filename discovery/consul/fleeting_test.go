package consul

import (
	"testing"
	"time"
)

// What comes and goes between two answers of a watch is in neither. A read for another reason may have seen it.

const criticalPath = "/v1/health/state/critical"

// fleeting starts a source that lives on hints, on a healthy catalog.
func fleeting(t *testing.T, s *script) *observer {
	t.Helper()
	s.say(hinted())
	c := quick(s)
	c.MaxWatches, c.Wait, c.Sweep = 6, time.Hour, time.Hour
	o := observe(t, c, nil)
	o.until(t, "a healthy start", func(o *observer) bool {
		return o.complete && words(o, "shop") == "a b" && o.status.Watches == 5
	})
	for _, path := range []string{nodePath("n"), nodePath("m"), criticalPath, shopPath} {
		settle(s, path)
	}
	return o
}

func TestFleetingCheck(t *testing.T) {
	s := newScript(t)
	o := fleeting(t, s)
	s.say(map[string]reply{
		nodePath("n"): {index: 11, body: onNode("a shop 5", "b shop 11", "o other 5")},
		shopPath:      {index: 11, body: entriesJSON("a!", "b")},
	})
	o.until(t, "the check that fails", func(o *observer) bool { return words(o, "shop") == "a! b" })
	s.say(map[string]reply{
		criticalPath: {index: 12, body: "[]"},
		shopPath:     {index: 12, body: entriesJSON("a", "b")},
	})
	o.until(t, "its end", func(o *observer) bool { return words(o, "shop") == "a b" })
}

func TestFleetingRegistration(t *testing.T) {
	s := newScript(t)
	o := fleeting(t, s)
	s.say(map[string]reply{
		criticalPath: {index: 11, body: `[{"Node":"n","CheckID":"c","ServiceName":"shop","ModifyIndex":11}]`},
		shopPath:     {index: 11, body: entriesJSON("a", "b", "c")},
	})
	o.until(t, "one more", func(o *observer) bool { return words(o, "shop") == "a b c" })
	s.say(map[string]reply{
		nodePath("n"): {index: 12, body: onNode("a shop 5", "b shop 5", "o other 5")},
		shopPath:      {index: 12, body: entriesJSON("a", "b")},
	})
	o.until(t, "its end", func(o *observer) bool { return words(o, "shop") == "a b" })
}

// TestFleetingCheckInALateRead: the answer that still has it comes after that of the watch that no longer has.
func TestFleetingCheckInALateRead(t *testing.T) {
	s := newScript(t)
	o := fleeting(t, s)
	reads := s.count(shopPath)
	s.say(map[string]reply{
		nodePath("n"): {index: 11, body: onNode("a shop 5", "b shop 11", "o other 5")},
		shopPath:      {hang: true},
	})
	o.until(t, "a read under way", func(*observer) bool { return s.count(shopPath) > reads })
	asked := s.count(criticalPath)
	s.say(map[string]reply{criticalPath: {index: 12, body: "[]"}})
	o.until(t, "the watch to have judged its answer", func(*observer) bool { return s.count(criticalPath) > asked })
	s.say(map[string]reply{shopPath: {index: 11, body: entriesJSON("a!", "b"), next: &reply{index: 12, body: entriesJSON("a", "b")}}})
	o.until(t, "what holds now", func(o *observer) bool { return words(o, "shop") == "a b" && s.count(shopPath) > reads+1 })
}
