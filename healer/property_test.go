package healer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// storm drives a lab through random faults.
type storm struct {
	*lab
	r        *rand.Rand
	services []*Service
	healers  []*process
	log      []string
}

// faults are what may go wrong, or right again.
var faults = []struct {
	name string
	do   func(*storm)
}{
	{"a container dies", func(s *storm) {
		s.fleet.change(func() {
			if b := s.box(); b != nil {
				b.running = false
			}
		})
	}},
	{"a container is removed", func(s *storm) {
		s.fleet.change(func() {
			if b := s.box(); b != nil {
				s.fleet.boxes = slices.DeleteFunc(s.fleet.boxes, func(other *box) bool { return other == b })
			}
		})
	}},
	{"a container falls ill", func(s *storm) {
		s.fleet.change(func() {
			if b := s.box(); b != nil {
				b.critical = true
			}
		})
	}},
	{"all containers fall ill", func(s *storm) {
		s.fleet.change(func() {
			for _, b := range s.fleet.boxes {
				b.critical = true
			}
		})
	}},
	{"all containers are well", func(s *storm) { s.fleet.change(s.cure) }},
	{"a host dies, or comes back", func(s *storm) {
		s.fleet.change(func() {
			host := fmt.Sprint("n", 1+s.r.IntN(4))
			s.fleet.hosts[host] = !s.fleet.hosts[host]
			for _, b := range s.fleet.boxes {
				if b.host == host && !s.fleet.hosts[host] {
					b.running = false
				}
			}
		})
	}},
	{"doubt begins", func(s *storm) { s.fleet.setDoubt("no leader") }},
	{"doubt ends", func(s *storm) { s.fleet.setDoubt("") }},
	{"the engines go deaf, or hear again", func(s *storm) {
		s.fleet.change(func() {
			if s.fleet.deaf == nil {
				s.fleet.deaf = errors.New("time-out")
			} else {
				s.fleet.deaf = nil
			}
		})
	}},
	{"the journal is away", func(s *storm) { s.kv.leave(true) }},
	{"the journal is back", func(s *storm) { s.kv.leave(false) }},
	{"a pause", func(s *storm) {
		s.kv.leave(false)
		synctest.Wait() // for a round that this has begun, and that knows of no pause
		s.pause(time.Duration(10+s.r.IntN(300)) * time.Second)
	}},
	{"a host is drained", func(s *storm) {
		s.kv.leave(false)
		s.drain(fmt.Sprint("n", 1+s.r.IntN(4)), false)
	}},
	{"a host may come back", func(s *storm) {
		s.kv.leave(false)
		s.undrain(fmt.Sprint("n", 1+s.r.IntN(4)))
	}},
	{"replicas are lowered", func(s *storm) {
		s.fleet.change(func() {
			a := s.fleet.apps[s.services[s.r.IntN(2)].Domain]
			a.replicas = s.r.IntN(a.replicas + 1)
			a.fence++
		})
	}},
	{"an update begins, or ends", func(s *storm) {
		s.fleet.change(func() {
			a := s.fleet.apps[s.services[s.r.IntN(2)].Domain]
			if a.busy == "" {
				a.busy = "an update is running"
			} else {
				a.busy = ""
			}
			a.fence++
		})
	}},
	{"an image breaks, or is mended", func(s *storm) {
		s.fleet.change(func() {
			a := s.fleet.apps[s.services[s.r.IntN(len(s.services))].Domain]
			a.broken = !a.broken
		})
	}},
	{"an image is missing, or there again", func(s *storm) {
		s.fleet.change(func() {
			a := s.fleet.apps[s.services[s.r.IntN(len(s.services))].Domain]
			if a.refuses == nil {
				a.refuses = ErrUnknownService
			} else {
				a.refuses = nil
			}
		})
	}},
	{"the wishes change", func(s *storm) {
		old := s.services[s.r.IntN(len(s.services))]
		service := *old
		service.Count = 2 + s.r.IntN(3)
		s.services[slices.Index(s.services, old)] = &service
		s.fleet.change(func() { s.fleet.apps[service.Domain].service = &service })
		s.wishes.set("", slices.Clone(s.services)...)
	}},
	{"the desired file breaks", func(s *storm) { s.wishes.set("bad", slices.Clone(s.services)...) }},
	{"a healer is about to die", func(s *storm) { s.healers[s.r.IntN(len(s.healers))].dieAt(s.r.IntN(5), s.r.IntN(2) == 0) }},
	{"the healers are restarted", (*storm).restart},
	{"the lock moves", func(s *storm) {
		s.give(s.holder, s.healers[s.r.IntN(len(s.healers))])
		wait(s.policy.Tick) // a lock lost and won back between two rounds was never lost
	}},
	{"the clock is set", func(s *storm) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.step += time.Duration(s.r.IntN(7200)-3600) * time.Second
	}},
}

// box returns a running container, or nil.
func (s *storm) box() *box {
	var running []*box
	for _, b := range s.fleet.boxes {
		if b.running {
			running = append(running, b)
		}
	}
	if len(running) == 0 {
		return nil
	}
	return running[s.r.IntN(len(running))]
}

func (s *storm) cure() {
	for _, b := range s.fleet.boxes {
		b.critical = false
	}
}

// restart replaces the healers that have died, and sometimes one that has not.
func (s *storm) restart() {
	for i, p := range s.healers {
		if p.isDead() || s.r.IntN(4) == 0 {
			p.stop()
			s.healers[i] = s.start(nil)
		}
	}
}

// calm ends all faults, but for one container that stays ill and one slot that stays empty.
func (s *storm) calm() {
	s.kv.leave(false)
	s.fleet.setDoubt("")
	s.wishes.set("", slices.Clone(s.services)...)
	s.fleet.change(func() {
		for host := range s.fleet.hosts {
			s.fleet.hosts[host] = true
		}
		s.fleet.deaf = nil
		s.cure()
		for _, a := range s.fleet.apps {
			a.busy, a.broken, a.refuses = "", false, nil
		}
		if b := s.box(); b != nil {
			b.critical = true
		}
		if b := s.box(); b != nil {
			b.running = false
		}
	})
	for i, p := range s.healers {
		p.dieAt(-1, false)
		if p.isDead() {
			p.stop()
			s.healers[i] = s.start(nil)
		}
	}
	s.give(nil, s.healers[0])
	for host := range s.fleet.hosts {
		s.undrain(host)
	}
}

// Whatever happens, the fleet sees nothing done that should not be (which it checks itself), and once the faults have ended all is as
// wanted, and stays so without anything being done.
func TestStorms(t *testing.T) {
	storms := 25
	if testing.Short() {
		storms = 5
	}
	for seed := range storms {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { storming(t, uint64(seed)) })
		})
	}
}

func storming(t *testing.T, seed uint64) {
	l := newLab(t, "n1", "n2", "n3", "n4")
	l.policy.Tick = 10 * time.Second
	s := &storm{lab: l, r: rand.New(rand.NewPCG(seed, 7))}
	s.services = []*Service{
		l.fleet.swarm("a.example.com", 2), l.fleet.swarm("b.example.com", 4), l.fleet.plain("c.example.com", "n1", 2), l.fleet.plain("d.example.com", "n2", 3),
	}
	l.wishes.set("", slices.Clone(s.services)...)
	s.healers = []*process{l.start(nil), l.start(nil)}
	for range 60 {
		f := faults[s.r.IntN(len(faults))]
		s.log = append(s.log, fmt.Sprintf("%s %s", time.Now().Format(time.TimeOnly), f.name))
		f.do(s)
		// A fault that is over within the gap between two rounds goes unseen.
		wait(l.policy.RoundGap + time.Duration(1+s.r.IntN(180))*time.Second)
	}
	s.calm()
	wait(6 * time.Hour)
	before := l.fleet.actions()
	wait(time.Hour)
	if n := l.fleet.actions() - before; n > 0 {
		t.Errorf("%d actions although nothing happened", n)
	}
	for _, service := range s.services {
		if n := l.fleet.present(service); n < service.Count {
			t.Errorf("%s: %d of %d present in the end", service.Domain, n, service.Count)
		}
	}
	for _, status := range s.healers[0].Status().Services {
		if status.State != Passing && status.State != Warning || status.Flight != nil {
			t.Errorf("in the end %+v", status)
		}
	}
	for _, p := range s.healers {
		p.stop()
	}
	l.fleet.check()
	if before == 0 {
		t.Error("nothing was ever done: the storm tests nothing")
	}
	if t.Failed() {
		t.Logf("seed %d:\n%s", seed, strings.Join(s.log, "\n"))
		for i, a := range l.fleet.done {
			t.Logf("%s %s %s slot %d generation %d %s", l.fleet.at[i].Format(time.TimeOnly), a.Kind, a.Service.Domain, a.Slot, a.Generation, a.Reason)
		}
	}
}
