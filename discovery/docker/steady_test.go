package docker

import (
	"log/slog"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// five hundred containers, which nothing happens to.
func steady(t *testing.T) *script {
	s := startScript(t, "1.41")
	for n := range 500 {
		s.run(shop(n + 1))
	}
	return s
}

// In a steady state the engine is asked for two lists an interval and for few containers, and nothing is reported but signs of life.
func TestSteadyState(t *testing.T) {
	s := steady(t)
	c := quick(s)
	c.Logger = slog.New(slog.DiscardHandler)
	// A thirtieth of the defaults' interval and sweep.
	c.Timeout, c.Patience, c.Interval, c.Sweep, c.SignOfLife = patience, patience, time.Second, 30*time.Second, 2*time.Second
	o := observe(t, c, nil)
	o.until(t, "all of them", func(o *observer) bool { return o.passing(shopName, 500) })
	began := time.Now()
	lists := s.count("list")
	eventually(t, "a list after the first ones", func() bool { return s.count("list") >= lists+2 })

	lists, networks, inspects := s.count("list"), s.count("networks"), s.count("inspect")
	o.mu.Lock()
	updates, changes := o.updates, o.changes
	o.mu.Unlock()
	from, cpu := time.Now(), used(t)
	eventually(t, "five lists more", func() bool { return s.count("list") >= lists+5 })
	took, cpu := time.Since(from), used(t)-cpu
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("settled after %s; %d lists, %d networks and %d containers asked for in %s; CPU of both sides %s, heap %d KiB", from.Sub(began),
		s.count("list")-lists, s.count("networks")-networks, s.count("inspect")-inspects, took, cpu, memory.HeapAlloc>>10)

	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changes != changes || changes != 1 {
		t.Errorf("%d updates that name a service, %d of them in steady state", o.changes, o.changes-changes)
	}
	passed := int(took/c.SignOfLife) + 2
	if o.updates-updates > passed {
		t.Errorf("%d signs of life in %s", o.updates-updates, took)
	}
	// 500 containers in 30 sweeps are 17 a second.
	if asked := s.count("inspect") - inspects; asked < 17 || asked > 17*8 {
		t.Errorf("%d containers asked for", asked)
	}
}

// used returns the CPU time of this process, which is that of the source and of the scripted engine together.
func used(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A burst of events asks for each container once or twice, and not for a list each time.
func TestBurst(t *testing.T) {
	s := startScript(t, "1.41")
	c := quick(s)
	rarely(&c)
	c.Settle, c.Timeout = 100*time.Millisecond, patience
	c.Logger = slog.New(slog.DiscardHandler)
	o := observe(t, c, nil)
	o.ready(t)
	eventually(t, "a stream of events", s.listening)
	lists := s.count("list")
	for n := range 80 {
		s.run(shop(n + 1))
		s.act(shop(n+1).id, "start")
	}
	o.until(t, "all of them", func(o *observer) bool { return o.passing(shopName, 80) })
	time.Sleep(2 * c.Settle)
	if n := s.count("list") - lists; n > 20 {
		t.Errorf("%d lists after 80 events", n)
	}
	if n := s.count("inspect"); n > 3*80 {
		t.Errorf("containers were asked for %d times after 80 events", n)
	}
}
