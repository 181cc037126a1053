package health

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// ejecting returns a pool that ejects a member after three failures within ten seconds, for a minute, and one member of it.
func ejecting() (*pool.Pool, *pool.Member) {
	spec := pool.DefaultSpec()
	spec.EjectFailures, spec.EjectWindow, spec.EjectFor = 3, 10*time.Second, time.Minute
	m := &pool.Member{
		Instance: &discovery.Instance{ID: "live/web1/shop-1"}, Addr: "10.0.0.1:8080", Meter: new(pool.Meter),
	}
	return &pool.Pool{Name: "shop.example.com", Spec: spec, Members: []*pool.Member{m}}, m
}

// running starts passive checks in a synctest bubble.
func running(t *testing.T) *Passive {
	p := NewPassive(NewBoard())
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return p
}

func (p *Passive) ejected(m *pool.Member) bool {
	synctest.Wait()
	return p.board.Verdicts()[m.ID()].Ejected
}

func fail(p *Passive, in *pool.Pool, m *pool.Member, times int) {
	for range times {
		p.Failed(in, m, "connection refused")
	}
}

func TestEjectsAfterFailuresInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := running(t)
		in, m := ejecting()
		fail(p, in, m, 2)
		p.Succeeded(in, m)
		fail(p, in, m, 2)
		if p.ejected(m) {
			t.Fatal("ejected although the failures were not in a row")
		}
		time.Sleep(11 * time.Second)
		fail(p, in, m, 2)
		if p.ejected(m) {
			t.Fatal("ejected although the failures were not within the window")
		}
		fail(p, in, m, 1)
		if !p.ejected(m) {
			t.Fatal("not ejected after three failures in a row")
		}
		v := p.board.Verdicts()[m.ID()]
		if v.Reason != "3 in a row, the last one connection refused; for 1m0s" {
			t.Errorf("the reason is %q", v.Reason)
		}
		if v.Address != m.Addr || !v.Since.Equal(time.Now()) {
			t.Errorf("the verdict is %+v", v)
		}
		if n := m.Meter.Failures.Load(); n != 7 {
			t.Errorf("the meter counts %d failures, want 7", n)
		}
	})
}

func TestEjectionDoublesUpToTenTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := running(t)
		in, m := ejecting()
		fail(p, in, m, 2)
		for _, minutes := range []int{1, 2, 4, 8, 10, 10} {
			fail(p, in, m, 1) // the third in a row, and from then on the first of a probation
			if !p.ejected(m) {
				t.Fatalf("not ejected before the ejection of %d minutes", minutes)
			}
			p.Succeeded(in, m)
			p.Failed(in, m, "sent before")
			time.Sleep(time.Duration(minutes)*time.Minute - time.Second)
			if !p.ejected(m) {
				t.Fatalf("back before %d minutes were over", minutes)
			}
			time.Sleep(2 * time.Second)
			if p.ejected(m) {
				t.Fatalf("still out after %d minutes", minutes)
			}
		}
	})
}

// An ejection is for refused connections only if every failure of the row was one.
func TestRefusedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := running(t)
		in, m := ejecting()
		refuse := func(times int) {
			for range times {
				p.Refused(in, m, "connection refused")
			}
		}
		steps := []struct {
			what            string
			failed, refused int
			want            bool
		}{
			{"one failure among them", 1, 2, false},
			{"a refusal on probation", 0, 1, true},
			{"a failure on probation", 1, 0, false},
		}
		for _, s := range steps {
			fail(p, in, m, s.failed)
			refuse(s.refused)
			if v := p.board.Verdicts()[m.ID()]; !v.Ejected || v.Refused != s.want {
				t.Errorf("%s: ejected %v, refused %v, want %v", s.what, v.Ejected, v.Refused, s.want)
			}
			time.Sleep(5 * time.Minute) // longer than the ejection, shorter than its memory
		}
		p.Succeeded(in, m)
		p.Succeeded(in, m)
		p.Succeeded(in, m)
		fail(p, in, m, 1)
		p.Succeeded(in, m)
		refuse(3)
		if v := p.board.Verdicts()[m.ID()]; !v.Refused {
			t.Errorf("three refusals after a success: %+v", v)
		}
	})
}

func TestProbationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := running(t)
		in, m := ejecting()
		fail(p, in, m, 3)
		time.Sleep(61 * time.Second)
		for range 3 {
			p.Succeeded(in, m)
		}
		fail(p, in, m, 2)
		if p.ejected(m) {
			t.Fatal("still on probation after three successes in a row")
		}
		fail(p, in, m, 1)
		if v := p.board.Verdicts()[m.ID()]; !strings.HasSuffix(v.Reason, "; for 2m0s") {
			t.Fatalf("a second ejection soon after is not twice as long: %q", v.Reason)
		}
		time.Sleep(13 * time.Minute)
		fail(p, in, m, 3)
		if v := p.board.Verdicts()[m.ID()]; !strings.HasSuffix(v.Reason, "; for 1m0s") {
			t.Fatalf("a long time later the ejection does not start anew: %q", v.Reason)
		}
	})
}

func TestForgetsTheWellBehaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := running(t)
		in, m := ejecting()
		fail(p, in, m, 1)
		synctest.Wait()
		if n := p.count.Load(); n != 1 {
			t.Fatalf("%d suspects, want 1", n)
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if n := p.count.Load(); n != 0 {
			t.Fatalf("%d suspects are left", n)
		}
		if _, ok := p.suspects.Load(m.Meter); ok {
			t.Fatal("its record is left")
		}
	})
}

func TestMovedInstanceStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := running(t)
		in, m := ejecting()
		fail(p, in, m, 2)
		moved := *m
		moved.Addr = "10.0.0.1:9090"
		fail(p, in, &moved, 2)
		if p.ejected(m) {
			t.Fatal("failures at another address count")
		}
		if n := p.count.Load(); n != 1 {
			t.Fatalf("%d suspects, want 1", n)
		}
	})
}

func TestNeverEjectsIfTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := running(t)
		in, m := ejecting()
		in.Spec.EjectFailures = 0
		fail(p, in, m, 100)
		if p.ejected(m) || p.count.Load() != 0 {
			t.Fatal("eject_failures 0 did not switch ejection off")
		}
	})
}

// A success must cost nothing while all is well, and next to nothing while others fail.
func TestSucceededAllocatesNothing(t *testing.T) {
	p := NewPassive(NewBoard())
	in, m := ejecting()
	other := *m
	other.Meter = new(pool.Meter)
	for name, suspects := range map[string]int{"nobody fails": 0, "another fails": 1} {
		fail(p, in, &other, suspects)
		if n := testing.AllocsPerRun(100, func() { p.Succeeded(in, m) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkSucceeded(b *testing.B) {
	for name, suspects := range map[string]int{"nobody fails": 0, "another fails": 1} {
		b.Run(name, func(b *testing.B) {
			p := NewPassive(NewBoard())
			in, m := ejecting()
			other := *m
			other.Meter = new(pool.Meter)
			fail(p, in, &other, suspects)
			b.RunParallel(func(b *testing.PB) {
				for b.Next() {
					p.Succeeded(in, m)
				}
			})
		})
	}
}

// Requests report from many goroutines at once.
func TestPassiveIsSafeForConcurrentUse(t *testing.T) {
	p := NewPassive(NewBoard())
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { p.Run(ctx) })
	in, m := ejecting()
	in.Spec.EjectFor = time.Millisecond
	var requests sync.WaitGroup
	for i := range 8 {
		requests.Go(func() {
			for n := range 1000 {
				if (n+i)%3 == 0 {
					p.Succeeded(in, m)
				} else {
					p.Failed(in, m, "status 502")
				}
				p.board.Verdicts()
			}
		})
	}
	requests.Wait()
	cancel()
	work.Wait()
}
