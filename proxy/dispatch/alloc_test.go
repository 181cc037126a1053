package dispatch_test

import (
	"testing"

	"github.com/fairlead/fairlead/proxy/balance"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/pool"
)

// A job that is used again allocates nothing, whether or not it has to retry, and whatever its pool asks of the request.
func TestNoAllocations(t *testing.T) {
	for name, settings := range map[string]pool.Settings{
		"built in":      nil,
		"limits":        {"max_conns": "10", "member_max_conns": "10"},
		"sticky":        {"sticky": "srv"},
		"hash client":   {"policy": "hash"},
		"hash header":   {"policy": "hash", "hash_on": "header X-Key"},
		"hash cookie":   {"policy": "hash", "hash_on": "cookie key"},
		"least_conn":    {"policy": "least_conn"},
		"lower group":   {"min_active": "2"},
		"random":        {"policy": "random"},
		"latency aware": {"policy": "peak_ewma"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(settings, 10, 10, 9)
			r := &request{
				header:  map[string]string{"X-Key": "1"},
				cookies: []string{"key=2; srv=" + balance.Token(d.pool().Members[0].ID())},
			}
			meter := d.pool().Meter
			var j dispatch.Job
			run := func(failures ...*dispatch.Failure) {
				meter.Budget.Store(0)
				j.Begin(&d.Desk, r, asked)
				if entered, _ := j.Enter(); !entered {
					t.Error("not entered")
				}
				for _, f := range failures {
					if !j.Retry(f) {
						t.Error("no retry")
					}
				}
				j.Judge(200)
				d.observer.heard = d.observer.heard[:0]
				j.End()
			}
			if n := testing.AllocsPerRun(100, func() { run() }); n != 0 {
				t.Errorf("a request takes %g allocations", n)
			}
			if n := testing.AllocsPerRun(100, func() { run(unmet, unmet) }); n != 0 {
				t.Errorf("one with two retries takes %g allocations", n)
			}
			d.idle(t)
		})
	}
}
