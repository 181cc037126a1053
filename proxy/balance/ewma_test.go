package balance

import (
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

func TestPeakEWMA(t *testing.T) {
	p := poolOf(pool.Settings{"policy": "peak_ewma"}, equals(3)...)
	for i, latency := range []time.Duration{time.Second, time.Millisecond, time.Second} {
		p.Members[i].Meter.Observe(latency)
	}
	// The fast one wins every pair that it is drawn in: two thirds of them.
	counts := tally(p, 9000, noKey)
	within(t, "fast member", float64(counts[1]), 6000, 0.1)
	within(t, "slow members", float64(counts[0]+counts[2]), 3000, 0.1)

	// A thousand requests under way outweigh a thousandth of the latency.
	load(p, 0, 5000, 0)
	if counts = tally(p, 1000, noKey); counts[1] > 0 {
		t.Errorf("the loaded member was chosen %d times", counts[1])
	}
}

// TestNewcomer: a member that was never observed gets its share, and no flood before its first answer.
func TestNewcomer(t *testing.T) {
	p := poolOf(pool.Settings{"policy": "peak_ewma"}, equals(2)...)
	p.Members[0].Meter.Observe(time.Second)
	load(p, 3, 0)
	for range 3 {
		m := Choose(p, 0, nil)
		if position(p, m) != 2 {
			t.Fatalf("member %d was chosen with %d in flight at the newcomer", position(p, m), p.Members[1].Meter.InFlight.Load())
		}
		m.Meter.InFlight.Add(1)
	}
	load(p, 3, 10)
	if m := Choose(p, 0, nil); position(p, m) != 1 {
		t.Error("the newcomer is flooded")
	}
}
