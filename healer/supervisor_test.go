package healer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// inLab runs a test over a plain service and a Swarm service, both as wanted, and one healer.
func inLab(t *testing.T, test func(t *testing.T, l *lab, web, db *Service)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "n1", "n2", "n3")
		web, db := l.fleet.swarm("web.example.com", 3), l.fleet.plain("db.example.com", "n1", 2)
		l.wishes.set("", web, db)
		test(t, l, web, db)
		l.fleet.check()
	})
}

func TestSupervisorHeals(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(nil)
		defer p.stop()
		wait(5 * time.Minute)
		l.expect("steady")
		l.fleet.kill("db.example.com", 2)
		wait(59 * time.Second)
		if l.fleet.actions() != 0 {
			t.Error("acted within the hold-down")
		}
		wait(10 * time.Second)
		if n := l.fleet.present(db); n != 2 || l.fleet.actions() != 1 {
			t.Errorf("%d present after %d actions", n, l.fleet.actions())
		}
		wait(30 * time.Second)
		status := p.Status()
		if status.Totals.Verified != 1 || status.Totals.Planned[Start] != 1 || status.Services[0].State != Passing || !status.Leading {
			t.Errorf("status %+v", status)
		}
		l.expect("a slot died", "critical", "healed!")

		l.fleet.change(func() { l.fleet.apps[web.Domain].replicas = 1 })
		wait(90 * time.Second)
		if n := l.fleet.present(web); n != 3 {
			t.Errorf("%d of 3 present after replicas were lowered", n)
		}
		l.expect("replicas lowered", "critical", "healed!")
		wait(2 * time.Hour)
		if len(l.kv.entries) != 1 { // the matters, of which none is open
			t.Errorf("the journal is not empty once nothing counts any more: %v", l.kv.entries)
		}
		if l.fleet.actions() != 2 {
			t.Errorf("%d actions", l.fleet.actions())
		}
		if len(p.Audit()) < 6 {
			t.Errorf("audit %+v", p.Audit())
		}
	})
}

// Nothing that wakes the healer is a reason to act, nor does it cost anything.
func TestWakeUpsWithoutChange(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(nil)
		defer p.stop()
		wait(5 * time.Minute)
		before := p.Status().Totals.Rounds
		writes := l.kv.count()
		for range 200 {
			p.Wake()
			wait(10 * time.Millisecond)
		}
		l.fleet.kill("db.example.com", 2) // and within the hold-down neither
		for range 200 {
			p.Wake()
			wait(10 * time.Millisecond)
		}
		if l.fleet.actions() != 0 || l.kv.count() != writes {
			t.Errorf("%d actions, %d writes", l.fleet.actions(), l.kv.count()-writes)
		}
		if rounds := p.Status().Totals.Rounds - before; rounds > 10 {
			t.Errorf("%d rounds in 4 s", rounds)
		}
	})
}

func TestEngineThatHangs(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		var hangs atomic.Bool
		hangs.Store(true)
		p := l.start(func(o *Options) {
			ready := o.Runtime
			o.Runtime = func(s *Service) (Runtime, error) {
				if s == db && hangs.Load() {
					return hanging{}, nil
				}
				return ready(s)
			}
		})
		defer p.stop()
		l.fleet.kill("db.example.com", 2)
		l.fleet.change(func() { l.fleet.apps[web.Domain].replicas = 1 })
		wait(10 * time.Minute)
		if l.fleet.present(web) != 3 || l.fleet.present(db) != 1 {
			t.Errorf("web %d, db %d: the engine that hangs stopped the other, or was healed", l.fleet.present(web), l.fleet.present(db))
		}
		if got := p.Status().Services[0]; got.Gate != GateRuntime {
			t.Errorf("gate %q: %s", got.Gate, got.Refusal)
		}
		hangs.Store(false)
		wait(3 * time.Minute)
		if l.fleet.present(db) != 2 {
			t.Error("not healed once the engine answered")
		}
	})
}

// hanging is an engine that does not answer.
type hanging struct{}

func (hanging) Name() string { return "hanging" }

func (hanging) Observe(ctx context.Context, _ *Service) (Observation, error) {
	<-ctx.Done()
	return Observation{}, ctx.Err()
}

func (hanging) Do(ctx context.Context, _ Action) error {
	<-ctx.Done()
	return ctx.Err()
}

// A healer that dies at any step of a repair leaves nothing that its successor cannot finish, and no second copy.
func TestCrashAtEachStep(t *testing.T) {
	for n := range 6 {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("step %d, after %t", n, after), func(t *testing.T) {
				inLab(t, func(t *testing.T, l *lab, web, db *Service) {
					first := l.start(nil)
					first.dieAt(n, after)
					wait(5 * time.Minute)
					l.fleet.kill("db.example.com", 2)
					wait(2 * time.Minute)
					died := first.isDead()
					first.stop()
					second := l.start(nil)
					defer second.stop()
					wait(10 * time.Minute)
					if n := l.fleet.present(db); n != 2 || l.fleet.actions() != 1 {
						t.Errorf("%d present after %d actions", n, l.fleet.actions())
					}
					if !died && n < 3 { // the claim, the action, its end
						t.Errorf("there was no step %d", n)
					}
				})
			})
		}
	}
}

// Two healers that both believe they hold the lock do not do anything twice.
func TestTwoHealers(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		l.split = true
		a, b := l.start(nil), l.start(nil)
		defer a.stop()
		defer b.stop()
		wait(5 * time.Minute)
		for range 3 {
			l.fleet.kill("db.example.com", 2)
			l.fleet.change(func() { l.fleet.apps[web.Domain].replicas = 1 })
			wait(10 * time.Minute)
		}
		if l.fleet.present(web) != 3 || l.fleet.present(db) != 2 || l.fleet.actions() != 6 {
			t.Errorf("web %d, db %d, %d actions", l.fleet.present(web), l.fleet.present(db), l.fleet.actions())
		}
	})
}

// Who loses the lock while an image is pulled does not start the container any more.
func TestLockLostInPreparation(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		first := l.start(nil)
		defer first.stop()
		wait(5 * time.Minute)
		second := l.start(nil)
		defer second.stop()
		first.prepare = func() {
			time.Sleep(time.Minute)
			l.give(first, second)
			time.Sleep(time.Minute)
		}
		l.fleet.kill("db.example.com", 2)
		wait(3*time.Minute + 30*time.Second)
		if l.fleet.actions() != 0 {
			t.Error("the first one acted")
		}
		wait(3 * time.Minute)
		if l.fleet.present(db) != 2 || l.fleet.actions() != 1 {
			t.Errorf("%d present after %d actions", l.fleet.present(db), l.fleet.actions())
		}
	})
}

// Who loses the lock while an engine is asked, or was stopped meanwhile, plans nothing by what was true before.
func TestLockLostWhileLooking(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		var stalls atomic.Bool
		var first, second *process
		first = l.start(func(o *Options) {
			ready := o.Runtime
			o.Runtime = func(s *Service) (Runtime, error) {
				if stalls.CompareAndSwap(true, false) {
					time.Sleep(30 * time.Second)
					l.give(first, second)
				}
				return ready(s)
			}
		})
		defer first.stop()
		wait(5 * time.Minute)
		second = l.start(nil)
		defer second.stop()
		l.fleet.kill("db.example.com", 2)
		wait(50 * time.Second) // in the hold-down, which is over after the stall
		stalls.Store(true)
		wait(time.Minute)
		if s := first.Status(); s.Leading || len(s.Totals.Planned) > 0 {
			t.Errorf("the first one leads: %v; it planned %v", s.Leading, s.Totals.Planned)
		}
		wait(3 * time.Minute)
		if l.fleet.present(db) != 2 || l.fleet.actions() != 1 {
			t.Errorf("%d present after %d actions", l.fleet.present(db), l.fleet.actions())
		}
	})
}

func TestJournalOutOfReach(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(nil)
		defer p.stop()
		wait(5 * time.Minute)
		l.kv.leave(true)
		l.fleet.kill("db.example.com", 2)
		wait(10 * time.Minute)
		if l.fleet.actions() != 0 || p.Status().Blind == "" {
			t.Errorf("%d actions, blind %q", l.fleet.actions(), p.Status().Blind)
		}
		l.expect("out of reach", "doubt")
		l.kv.leave(false)
		wait(2 * time.Minute)
		if l.fleet.present(db) != 2 {
			t.Error("not healed once the journal was back")
		}
		l.expect("back", "doubt!", "critical", "healed!")
	})
}

// What cannot be written down is not done.
func TestJournalCannotBeWritten(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(nil)
		defer p.stop()
		wait(5 * time.Minute)
		l.kv.fill(true)
		l.fleet.kill("db.example.com", 2)
		wait(10 * time.Minute)
		if l.fleet.actions() != 0 {
			t.Errorf("%d actions", l.fleet.actions())
		}
		l.kv.fill(false)
		wait(time.Minute)
		if l.fleet.present(db) != 2 {
			t.Error("not healed once the journal could be written")
		}
	})
}

func TestDryRun(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(func(o *Options) { o.DryRun = true })
		defer p.stop()
		l.fleet.kill("db.example.com", 2)
		wait(10 * time.Minute)
		status := p.Status().Services[0]
		if l.fleet.actions() != 0 || l.kv.count() != 0 || status.Wanted == "" || status.Gate != "" || len(l.told()) > 0 {
			t.Errorf("%d actions, %d writes, %+v", l.fleet.actions(), l.kv.count(), status)
		}
	})
}

func TestPauseAndForgive(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(nil)
		defer p.stop()
		wait(5 * time.Minute)
		l.pause(time.Hour)
		l.fleet.kill("db.example.com", 2)
		wait(50 * time.Minute)
		if status := p.Status(); l.fleet.actions() != 0 || status.Services[0].Gate != GatePaused || len(status.Pauses) != 1 {
			t.Errorf("%d actions, %+v", l.fleet.actions(), status)
		}
		l.fleet.change(func() { l.fleet.apps[db.Domain].refuses = ErrUnknownService })
		wait(30 * time.Minute)
		if status := p.Status().Services[0]; len(status.Quarantine) != 1 || status.LastError == "" {
			t.Errorf("%+v", status)
		}
		l.fleet.change(func() { l.fleet.apps[db.Domain].refuses = nil })
		if err := p.Journal().Forgive(t.Context(), "DB.example.com"); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		if l.fleet.present(db) != 2 {
			t.Error("not healed once forgiven")
		}
		l.told()
	})
}

func TestClockStep(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(nil)
		defer p.stop()
		wait(5 * time.Minute)
		l.fleet.kill("db.example.com", 2)
		for _, step := range []time.Duration{time.Hour, -time.Hour, time.Hour} {
			wait(25 * time.Second)
			l.mu.Lock()
			l.step += step
			l.mu.Unlock()
		}
		wait(20 * time.Second)
		if status := p.Status().Services[0]; l.fleet.actions() != 0 || status.Gate != GateClock {
			t.Errorf("%d actions, gate %q", l.fleet.actions(), status.Gate)
		}
		wait(20 * time.Second)
		if l.fleet.present(db) != 2 {
			t.Error("not healed once the clock was steady")
		}
	})
}

func TestDesiredProblemIsTold(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab, web, db *Service) {
		p := l.start(nil)
		defer p.stop()
		wait(5 * time.Minute)
		l.wishes.set("desired.json:3: bad", web, db)
		wait(time.Minute)
		l.expect("bad", "doubt")
		l.wishes.set("", web, db)
		wait(time.Minute)
		l.expect("good", "doubt!")
	})
}

func TestBadPauses(t *testing.T) {
	j := NewJournal(newMemoryKV(), "live", time.Second)
	soon := time.Now().Add(time.Hour)
	for _, p := range []Pause{
		{}, {Scope: "x", Author: "a", Reason: "r", Expires: soon}, {Scope: PauseAll, Name: "x", Author: "a", Reason: "r", Expires: soon},
		{Scope: PauseHost, Author: "a", Reason: "r", Expires: soon}, {Scope: PauseAll, Author: "a", Reason: "r"},
		{Scope: PauseAll, Reason: "r", Expires: soon}, {Scope: PauseAll, Author: "a", Expires: soon},
	} {
		if err := j.Pause(t.Context(), p); !errors.Is(err, ErrBadPause) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
