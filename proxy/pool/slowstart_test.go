package pool

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func TestSlowStart(t *testing.T) {
	w := newWorld("")
	w.config().Defaults = Settings{"slow_start": "100s"}
	w.put(0, "a.example.com", weights(2, 2))
	w.build()
	if m := w.pool(t, "a.example.com").Members[0]; m.Weight != 2 || !m.UpSince.IsZero() {
		t.Fatalf("the first member of a pool has weight %d, up since %v", m.Weight, m.UpSince)
	}
	w.put(0, "a.example.com", weights(2, 2), weights(2, 2))
	started := w.in.Now
	for tenth, want := range []int{1, 1, 2, 3, 4, 5, 6, 7, 8, 9} {
		w.in.Now = started.Add(time.Duration(tenth) * 10 * time.Second)
		w.build()
		p := w.pool(t, "a.example.com")
		old, newcomer := p.Members[0], p.Members[1]
		if newcomer.Weight*10 != old.Weight*want {
			t.Errorf("after %d0 s the weights are %d and %d, want %d0 %%", tenth, newcomer.Weight, old.Weight, want)
		}
		if len(p.Lineups[0].Schedule) > 20 || !strings.Contains(newcomer.Reason, "slow start") || !newcomer.UpSince.Equal(started) {
			t.Errorf("a round of %d, reason %q, up since %v", len(p.Lineups[0].Schedule), newcomer.Reason, newcomer.UpSince)
		}
		due, ok := w.snap.Next()
		if !ok || !due.After(w.in.Now) || due.Sub(w.in.Now) > 20*time.Second {
			t.Errorf("after %d0 s the next step is due at %v", tenth, due)
		}
		if before := w.snap; w.build() != before {
			t.Errorf("after %d0 s the same input made a new version", tenth)
		}
	}
	w.in.Now = started.Add(100 * time.Second)
	w.build()
	p := w.pool(t, "a.example.com")
	if p.Members[0].Weight != 2 || p.Members[1].Weight != 2 || p.Members[1].Reason != "" {
		t.Errorf("in the end the weights are %d and %d (%q)", p.Members[0].Weight, p.Members[1].Weight, p.Members[1].Reason)
	}
	if due, ok := w.snap.Next(); ok {
		t.Errorf("in the end something is due at %v", due)
	}
}

// TestNextLeadsThroughTheRamp follows Next alone, as the writer does.
func TestNextLeadsThroughTheRamp(t *testing.T) {
	w := newWorld("")
	w.config().Defaults = Settings{"slow_start": "7s"}
	w.put(0, "a.example.com", plain)
	w.build()
	w.put(0, "a.example.com", plain, plain, plain)
	w.build()
	versions := w.snap.Version
	for range 100 {
		due, ok := w.snap.Next()
		if !ok {
			break
		}
		w.in.Now = due
		w.build()
	}
	if p := w.pool(t, "a.example.com"); p.Members[2].Weight != p.Members[0].Weight || w.snap.Version-versions != 9 {
		t.Errorf("weights %d and %d after %d versions", p.Members[0].Weight, p.Members[2].Weight, w.snap.Version-versions)
	}
}

func TestSlowStartIsSkipped(t *testing.T) {
	w := newWorld("")
	w.config().Defaults = Settings{"slow_start": "100s"}
	down := health(discovery.Critical)
	w.put(0, "a.example.com", down, down)
	w.build()
	w.put(0, "a.example.com", plain, plain)
	w.build()
	for _, m := range w.pool(t, "a.example.com").Members {
		if m.Weight != 1 || m.Reason != "" {
			t.Errorf("%s came up in an empty pool with weight %d (%s)", m.ID(), m.Weight, m.Reason)
		}
	}
	// A member that goes and comes again starts anew.
	w.put(0, "a.example.com", plain, down)
	w.in.Now = noon.Add(time.Hour)
	w.build()
	w.put(0, "a.example.com", plain, plain)
	w.build()
	if p := w.pool(t, "a.example.com"); p.Members[0].Weight != 10*p.Members[1].Weight || !p.Members[1].UpSince.Equal(w.in.Now) {
		t.Errorf("weights %d and %d", p.Members[0].Weight, p.Members[1].Weight)
	}
	// So does one that is at another address all of a sudden.
	w.in.Now = w.in.Now.Add(time.Hour)
	w.put(0, "a.example.com", at("10.0.0.1", 99), plain)
	w.build()
	if p := w.pool(t, "a.example.com"); 10*p.Members[0].Weight != p.Members[1].Weight {
		t.Errorf("weights %d and %d after a move", p.Members[0].Weight, p.Members[1].Weight)
	}
}

func TestSlowStartOfHeavyMembers(t *testing.T) {
	w := newWorld("")
	w.config().Defaults = Settings{"slow_start": "100s"}
	w.put(0, "a.example.com", weights(60000, 1))
	w.build()
	w.put(0, "a.example.com", weights(60000, 1), weights(60000, 1))
	w.build()
	if p := w.pool(t, "a.example.com"); p.Members[0].Weight != 60000 || p.Members[1].Weight != 6000 {
		t.Errorf("weights %d and %d, want 60000 and 6000", p.Members[0].Weight, p.Members[1].Weight)
	}
}

// TestOverrideExpires: an order that ends makes a new snapshot at its time, by Next.
func TestOverrideExpires(t *testing.T) {
	w := newWorld("")
	w.put(0, "a.example.com", plain, plain)
	w.in.Clusters[0].Overrides[instance("a.example.com", 1)] = Override{Action: Drain, Address: "10.0.0.1:20013", Expires: noon.Add(time.Minute)}
	w.build()
	due, ok := w.snap.Next()
	if !ok || !due.Equal(noon.Add(time.Minute)) || w.pool(t, "a.example.com").Members[0].State != Draining {
		t.Fatalf("due at %v, %v", due, ok)
	}
	w.in.Now = due
	w.build()
	if s := w.pool(t, "a.example.com").Members[0].State; s != Active {
		t.Errorf("the member is %s after its drain expired", s)
	}
	if _, ok := w.snap.Next(); ok {
		t.Error("something is still due")
	}
}
