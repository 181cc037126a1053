package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/engine"
)

func TestContact(t *testing.T) {
	const s = time.Second
	type answer struct {
		at      time.Duration
		leader  bool
		without time.Duration
	}
	for name, answers := range map[string][]answer{
		"none from the start":         {{0, false, 0}, {5 * s, false, 0}, {100 * s, false, 0}},
		"lost":                        {{0, true, 0}, {1 * s, false, 0}, {2 * s, false, 1 * s}, {9 * s, false, 8 * s}},
		"a restart":                   {{0, true, 0}, {1 * s, false, 0}, {8 * s, false, 7 * s}, {9 * s, true, 0}, {10 * s, false, 0}, {12 * s, false, 2 * s}},
		"a host that stood still":     {{0, true, 0}, {1 * s, false, 0}, {3 * s, false, 2 * s}, {60 * s, false, 0}, {65 * s, false, 5 * s}},
		"lost while it stood still":   {{0, true, 0}, {60 * s, false, 0}, {65 * s, false, 5 * s}},
		"it stood still, and is back": {{0, true, 0}, {60 * s, true, 0}, {61 * s, false, 0}},
	} {
		c, began := contact{stall: 10 * s}, time.Now()
		for _, a := range answers {
			if got := c.note(began.Add(a.at), a.leader); got != a.without {
				t.Errorf("%s: without a leader for %s after %s, want %s", name, got, a.at, a.without)
			}
		}
	}
}

// guard is a scripted engine with one container, and what watches over it.
type guard struct {
	script *engine.Script
	leader atomic.Bool
	asking atomic.Bool // the container asks to be stopped
}

func startGuard(t *testing.T, after time.Duration, change ...func(*guard)) *guard {
	t.Helper()
	g := &guard{script: engine.NewScript(t, "1.44")}
	g.script.JSON("GET /containers/"+made+"/json", http.StatusOK, fmt.Sprintf(
		`{"Id": %q, "Name": "/shop.1", "State": {"Running": true}, "HostConfig": {}, "Config": {"Labels": {"SERVICE_SELF_STOP": "60s"}}}`, made))
	g.script.JSON("POST /containers/"+made+"/stop", http.StatusNoContent, "")
	g.leader.Store(true)
	g.asking.Store(true)
	for _, c := range change {
		c(g)
	}
	s := &SelfStopper{
		Engine: Engine{Host: g.script.Host}, Every: 5 * time.Millisecond, Timeout: 5 * time.Second,
		Containers: func() map[string]time.Duration {
			if g.asking.Load() {
				return map[string]time.Duration{made: after}
			}
			return nil
		},
		HasLeader: func(context.Context) bool { return g.leader.Load() },
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	return g
}

func (g *guard) stops() int { return len(g.script.Calls("POST /containers/" + made + "/stop")) }

func (g *guard) await(t *testing.T, stops int) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); g.stops() < stops; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("stopped %d times, want %d", g.stops(), stops)
		}
	}
}

func TestSelfStop(t *testing.T) {
	const after = 300 * time.Millisecond
	g := startGuard(t, after)
	time.Sleep(after)
	g.leader.Store(false)
	time.Sleep(after / 3) // an election
	g.leader.Store(true)
	time.Sleep(after)
	if n := g.stops(); n > 0 {
		t.Fatalf("stopped %d times with a leader", n)
	}
	began := time.Now()
	g.leader.Store(false)
	g.await(t, 1)
	if took := time.Since(began); took < after {
		t.Errorf("stopped after %s, want %s at least", took, after)
	}
	g.await(t, 2) // whoever starts it again, or a stop that was not enough: it is stopped for as long as there is no leader
	g.asking.Store(false)
	time.Sleep(2 * after)
	g.asking.Store(true) // Swarm has started another on the host that is cut off
	g.await(t, g.stops()+1)
	g.leader.Store(true)
	time.Sleep(after / 3)
	stops := g.stops()
	time.Sleep(after)
	if n := g.stops(); n != stops {
		t.Errorf("stopped %d times more with a leader", n-stops)
	}
}

func TestNoSelfStopWithoutAnyLeader(t *testing.T) {
	g := startGuard(t, 20*time.Millisecond, func(g *guard) { g.leader.Store(false) })
	time.Sleep(200 * time.Millisecond)
	if n := g.stops(); n > 0 {
		t.Errorf("stopped %d times without a leader ever known", n)
	}
}

func TestSelfStopIsTriedAgain(t *testing.T) {
	g := startGuard(t, 20*time.Millisecond)
	g.script.JSON("POST /containers/"+made+"/stop", http.StatusInternalServerError, `{"message":"cannot stop container: permission denied"}`)
	time.Sleep(50 * time.Millisecond)
	g.leader.Store(false)
	g.await(t, 3)
}
