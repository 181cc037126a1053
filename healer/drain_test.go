package healer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func (l *lab) drain(host string, forced bool) {
	l.t.Helper()
	d := Drain{Host: host, Author: "ann", Reason: "new kernel", Forced: forced}
	err := NewJournal(l.kv, "live", time.Second).Drain(l.t.Context(), d)
	if err != nil && !errors.Is(err, ErrBadDrain) { // the one before is just being ended
		l.t.Fatal(err)
	}
}

func (l *lab) undrain(host string) {
	l.t.Helper()
	err := NewJournal(l.kv, "live", time.Second).Undrain(l.t.Context(), host)
	if err != nil && !errors.Is(err, ErrNoDrain) {
		l.t.Fatal(err)
	}
}

// on counts the running copies of a host.
func (f *fleet) on(host string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.boxes {
		if b.host == host && b.running {
			n++
		}
	}
	return n
}

// elsewhere returns a host with a copy of a service, other than the one named.
func (f *fleet) elsewhere(domain, host string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.boxes {
		if b.domain == domain && b.host != host && b.running {
			return b.host
		}
	}
	return ""
}

// drainOf returns how the drain of a host stands.
func (p *process) drainOf(host string) DrainStatus {
	for _, d := range p.Status().Drains {
		if d.Host == host {
			return d
		}
	}
	return DrainStatus{}
}

// agents note what they are told.
type agents struct{ told []string }

func (a *agents) Drain(_ context.Context, host, reason string) error {
	a.told = append(a.told, "drain "+host)
	return nil
}

func (a *agents) Undrain(_ context.Context, host, reason string) error {
	a.told = append(a.told, "undrain "+host)
	return nil
}

// A host is emptied copy by copy, gets nothing new, and may come back. The fleet checks that enough stays present.
func TestDrainEmptiesAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "n1", "n2", "n3")
		a, b := l.fleet.swarm("a.example.com", 4), l.fleet.swarm("b.example.com", 2)
		l.wishes.set("", a, b)
		told := &agents{}
		p := l.start(func(o *Options) { o.Agents = told })
		wait(5 * time.Minute)
		before := l.fleet.on("n2")
		if before < 2 {
			t.Fatalf("%d copies on n2", before)
		}
		l.drain("n2", false)
		for range 600 {
			wait(time.Second)
			if l.fleet.present(a) < a.Least() || l.fleet.present(b) < b.Least() {
				t.Fatalf("present: %d and %d", l.fleet.present(a), l.fleet.present(b))
			}
		}
		if d := p.drainOf("n2"); d.State != DrainEmpty || d.Copies > 0 || !slices.Equal(d.Others, []string{"other"}) || l.fleet.on("n2") > 0 {
			t.Errorf("after ten minutes %d copies on it, and %+v", l.fleet.on("n2"), d)
		}
		if n := l.fleet.actions(); n != before {
			t.Errorf("%d actions for %d copies", n, before)
		}
		l.fleet.kill("a.example.com", 1)
		wait(time.Minute)
		if l.fleet.on("n2") > 0 {
			t.Error("a drained host got something new")
		}
		l.undrain("n2")
		wait(time.Minute)
		if len(p.Status().Drains) > 0 || l.fleet.held["n2"] {
			t.Errorf("the host is not back: %+v", p.Status().Drains)
		}
		if len(told.told) > 0 {
			t.Errorf("its agent was told %v", told.told)
		}
		p.stop()
		l.fleet.check()
	})
}

// What cannot be moved blocks a drain, and only a forced one goes on. What is left on the host leaves every rotation then.
func TestDrainBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "n1", "n2", "n3")
		single, plain := l.fleet.swarm("a.example.com", 1), l.fleet.plain("c.example.com", "n2", 2)
		l.wishes.set("", single, plain)
		host := l.fleet.running("a.example.com", 1).host
		told := &agents{}
		p := l.start(func(o *Options) { o.Agents = told })
		wait(5 * time.Minute)
		for _, h := range []string{host, "n2"} {
			l.drain(h, false)
			wait(5 * time.Minute)
			if d := p.drainOf(h); d.State != DrainBlocked || !strings.Contains(d.Waits, "only a forced drain") || l.fleet.actions() > 0 {
				t.Errorf("%s, %d actions: %+v", h, l.fleet.actions(), d)
			}
			l.drain(h, true)
			wait(10 * time.Minute)
			if d := p.drainOf(h); d.State != DrainEmpty || !d.Forced || l.fleet.on(h) > 0 || !slices.Contains(told.told, "drain "+h) {
				t.Errorf("forced, %d on it, told %v: %+v", l.fleet.on(h), told.told, d)
			}
			l.undrain(h)
			wait(10 * time.Minute)
			if !slices.Contains(told.told, "undrain "+h) || len(p.Status().Drains) > 0 {
				t.Errorf("not back: told %v, %+v", told.told, p.Status().Drains)
			}
			if l.fleet.present(single) != 1 || l.fleet.present(plain) != 2 {
				t.Errorf("in the end %d and %d are present", l.fleet.present(single), l.fleet.present(plain))
			}
			l.fleet.mu.Lock()
			l.fleet.done = nil
			l.fleet.mu.Unlock()
		}
		p.stop()
		l.fleet.check()
	})
}

// Two drains go one after another, and the second host gets nothing new meanwhile.
func TestSecondDrainWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "n1", "n2", "n3", "n4")
		l.policy.PerMinute = 100
		a, single := l.fleet.swarm("a.example.com", 8), l.fleet.swarm("b.example.com", 1)
		l.wishes.set("", a, single)
		first := l.fleet.running("b.example.com", 1).host
		second := l.fleet.elsewhere("a.example.com", first)
		p := l.start(nil)
		wait(5 * time.Minute)
		l.drain(first, false)
		wait(2 * time.Second)
		l.drain(second, false)
		wait(20 * time.Minute)
		d, e := p.drainOf(first), p.drainOf(second)
		if d.State != DrainBlocked || d.Copies != 1 || e.State != DrainEmptying || e.Copies == 0 || !strings.Contains(e.Waits, first+" comes first") {
			t.Errorf("first %+v\nsecond %+v", d, e)
		}
		l.undrain(first)
		wait(20 * time.Minute)
		if e := p.drainOf(second); e.State != DrainEmpty {
			t.Errorf("second %+v", e)
		}
		p.stop()
		l.fleet.check()
	})
}

// A drain outlives the healer that has begun it.
func TestDrainGoesOnAfterACrash(t *testing.T) {
	for steps := range 6 {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "n1", "n2", "n3")
			a := l.fleet.swarm("a.example.com", 4)
			l.wishes.set("", a)
			p := l.start(nil)
			wait(5 * time.Minute)
			p.dieAt(steps, steps%2 == 0)
			l.drain("n2", false)
			wait(5 * time.Minute)
			p.stop()
			q := l.start(nil)
			wait(20 * time.Minute)
			if d := q.drainOf("n2"); d.State != DrainEmpty || l.fleet.on("n2") > 0 || l.fleet.present(a) != 4 {
				t.Errorf("died after %d steps: %d on it, %+v", steps, l.fleet.on("n2"), d)
			}
			l.undrain("n2")
			wait(time.Minute)
			if l.fleet.held["n2"] {
				t.Errorf("died after %d steps: the host is not back", steps)
			}
			q.stop()
			l.fleet.check()
		})
	}
}

// Each thing that holds a repair back holds a drain back as well, and says so.
func TestDrainPassesTheGates(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*scene)
		state  DrainState
		reason string
	}{
		{"nothing", func(*scene) {}, DrainEmptying, "moving copy"},
		{"doubt", func(s *scene) { s.doubt = "no leader" }, DrainEmptying, "no leader"},
		{"a deaf engine", func(s *scene) { s.deaf = errors.New("no answer") }, DrainEmptying, "no answer"},
		{"an update", func(s *scene) { o := s.observed[shop]; o.Busy = "an update runs"; s.observed[shop] = o }, DrainEmptying, "an update runs"},
		{"a pause", func(s *scene) {
			s.in.Book.Pauses = []Pause{{Scope: PauseService, Name: shop, Author: "bob", Reason: "x", Expires: epoch.Add(time.Hour)}}
		}, DrainEmptying, "bob"},
		{"another that acts", func(s *scene) { s.in.Leading = false }, DrainEmptying, "another healer"},
		{"a host not held", func(s *scene) { s.in.Book.Drains[0].Held = time.Time{} }, DrainOrdered, "may still be placed"},
		{"too few", func(s *scene) { s.instances[shop] = s.instances[shop][1:]; s.in.Services[0].MinAvailable = 1 }, DrainEmptying, "2 of 3 present"},
		{"too few to spare one", func(s *scene) { s.instances[shop] = s.instances[shop][1:] }, DrainBlocked, "at least 2 must stay"},
		{"a repair under way", func(s *scene) {
			s.in.Book.Records[shop] = &Record{Service: shop, Flight: &Flight{ID: "me/1", By: "me", Kind: Scale, To: 4, Was: 3, Since: epoch, Done: epoch}}
		}, DrainEmptying, "one at a time"},
		{"a document that cannot be read", func(s *scene) { s.in.Book.Drains[0].broken = "n3 cannot be read" }, DrainBlocked, "cannot be read"},
	} {
		s := newScene(t)
		for i, name := range []string{"a", "b", "c"} {
			s.register(shop, []string{"n1", "n2", "n3"}[i], name, discovery.Passing, "")
		}
		s.copies(shop, 3, "a", "b", "c")
		s.in.Book.Drains = []Drain{{Host: "N3", Author: "ann", Reason: "new disk", Created: epoch, Held: epoch}}
		c.change(s)
		r, _ := s.until(10 * time.Second)
		if len(r.Drains) != 1 || r.Drains[0].State != c.state || !strings.Contains(r.Drains[0].Waits, c.reason) {
			t.Errorf("%s: %+v", c.name, r.Drains)
		}
		moved := len(r.Claims) == 1 && r.Claims[0].Action.Kind == Stop && r.Claims[0].Action.Copy == "id-c" && r.Claims[0].Action.Node == "n3"
		if moved != (c.name == "nothing") || len(r.Claims) > 1 {
			t.Errorf("%s: claimed %+v", c.name, r.Claims)
		}
	}
}

// A host that is drained is left alone by everything else.
func TestDrainedHostIsLeftAlone(t *testing.T) {
	s := plainScene(t)
	s.kill(1, 1)
	s.in.Services[0].Run.Host = "n1"
	s.in.Book.Drains = []Drain{{Host: "n1", Author: "ann", Reason: "new disk", Held: epoch}}
	if gate, why := s.refused(db, 5*time.Minute); gate != GatePaused || !strings.Contains(why, "ann: new disk") {
		t.Errorf("%s: %s", gate, why)
	}
	s.in.Book.Drains[0].Ending = true
	if r, _ := s.until(5 * time.Minute); len(r.Claims) != 1 || r.Claims[0].Action.Kind != Start {
		t.Errorf("afterwards %+v", r.Claims)
	}
}

func TestDrainOrders(t *testing.T) {
	kv := newMemoryKV()
	j := NewJournal(kv, "live", time.Second)
	for _, bad := range []Drain{{}, {Host: "n1"}, {Host: "n1", Author: "ann"}, {Host: "a/b", Author: "ann", Reason: "x"}} {
		if err := j.Drain(t.Context(), bad); !errors.Is(err, ErrBadDrain) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := j.Undrain(t.Context(), "n1"); !errors.Is(err, ErrNoDrain) {
		t.Errorf("ending what is not there: %v", err)
	}
	for _, forced := range []bool{false, true} {
		if err := j.Drain(t.Context(), Drain{Host: "n1", Author: "ann", Reason: "x", Forced: forced}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Undrain(t.Context(), "N1"); err != nil {
		t.Fatal(err)
	}
	if err := j.Drain(t.Context(), Drain{Host: "n1", Author: "ann", Reason: "x"}); !errors.Is(err, ErrBadDrain) {
		t.Errorf("while it ends: %v", err)
	}
	if err := kv.CompareAndSet(t.Context(), "fairlead/healer/live/drains/n2", []byte(`{"host`), 0); err != nil {
		t.Fatal(err)
	}
	b, err := j.Read(t.Context())
	if err != nil || len(b.Drains) != 2 || !b.Drains[0].Forced || !b.Drains[0].Ending || b.Drains[1].broken == "" || b.Drains[1].Host != "n2" || len(b.Problems) != 1 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestDrainOfUnknownHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "n1", "n2")
		p := l.start(func(o *Options) { o.Placer = nil })
		if err := p.DrainHost(t.Context(), Drain{Host: "n9", Author: "ann", Reason: "x"}); !errors.Is(err, ErrUnknownHost) {
			t.Errorf("%v", err)
		}
		l.fleet.change(func() {})
		if err := p.DrainHost(t.Context(), Drain{Host: "N1", Author: "ann", Reason: "x"}); err != nil {
			t.Error(err)
		}
		wait(time.Minute)
		if d := p.drainOf("n1"); d.State != DrainEmpty {
			t.Errorf("%+v", p.Status().Drains)
		}
		p.stop()
	})
}
