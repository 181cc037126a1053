package consul

import (
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// TestSilenceOfTheCanary: when the list of names falls silent while it waits, the other watches' connections are taken for dead too.
// When it was failing already, the agent is merely slow: closing them would give it more to do.
func TestSilenceOfTheCanary(t *testing.T) {
	for _, c := range []struct {
		name    string
		failing bool
	}{
		{"while it waits", false},
		{"after it failed", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.say(healthy())
			config := quick(s)
			config.Wait, config.Canary, config.Timeout = time.Hour, time.Hour/2, 300*time.Millisecond
			if !c.failing {
				config.Canary = 100 * time.Millisecond
			}
			o := observe(t, config, nil)
			o.until(t, "a healthy start", func(o *observer) bool {
				return o.complete && o.status.Watches == 3 && words(o, "shop") == "a b" && s.count(shopPath) >= 2
			})
			settle(s, shopPath)
			asked := s.count(shopPath)
			if c.failing {
				s.say(map[string]reply{namesPath: {index: 10, status: 500, body: "boom"}})
				o.until(t, "the failure", func(o *observer) bool { return o.doubts(discovery.SourceDoubt, "", "boom") })
			}
			s.say(map[string]reply{namesPath: {hang: true}})
			o.until(t, "the silence", func(o *observer) bool { return o.doubts(discovery.SourceDoubt, "", "list of names: no answer within") })
			if !c.failing {
				o.until(t, "another connection", func(*observer) bool { return s.count(shopPath) > asked })
				return
			}
			names := s.count(namesPath)
			o.until(t, "more silence", func(*observer) bool { return s.count(namesPath) > names+1 })
			if n := s.count(shopPath); n != asked {
				t.Errorf("shop was asked for %d times more: its watch was cut", n-asked)
			}
		})
	}
}
