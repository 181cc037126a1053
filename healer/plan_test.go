package healer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func TestReplicasAreRaised(t *testing.T) {
	s := shortScene(t)
	r, after := s.until(5 * time.Minute)
	if len(r.Claims) != 1 || after < time.Minute || after > 70*time.Second {
		t.Fatalf("%d claims after %s", len(r.Claims), after)
	}
	a := r.Claims[0].Action
	if a.Kind != Scale || a.To != 3 || a.Fence != 7 || a.Service.Domain != shop || a.Reason == "" {
		t.Errorf("planned %+v", a)
	}
	if f := r.Claims[0].Record.Flight; f == nil || f.By != "me" || f.Was != 2 || f.To != 3 {
		t.Errorf("flight %+v", f)
	}
}

func TestNothingToDo(t *testing.T) {
	for _, c := range []struct {
		name    string
		present int
		state   State
	}{
		{"as wanted", 3, Passing},
		{"too many", 4, Warning},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			names := []string{}
			for i := range c.present {
				names = append(names, fmt.Sprint("c", i))
				s.register(shop, "n1", names[i], discovery.Passing, "")
			}
			s.copies(shop, c.present, names...)
			r, _ := s.until(10 * time.Minute)
			if len(r.Claims) > 0 || r.Services[0].State != c.state {
				t.Errorf("claims %+v, state %s", r.Claims, r.Services[0].State)
			}
		})
	}
}

// Each gate alone refuses what would be done without it, for as long as it stands.
func TestGates(t *testing.T) {
	pause := func(scope Scope, name string) func(*scene) {
		return func(s *scene) {
			s.in.Book.Pauses = []Pause{{Scope: scope, Name: name, Author: "ann", Reason: "upgrade", Expires: epoch.Add(24 * time.Hour)}}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*scene)
		gate   Gate
		says   string
	}{
		{"not leading", func(s *scene) { s.in.Leading = false }, GateLeading, "another healer"},
		{"journal unreadable", func(s *scene) { s.in.Book, s.in.Blind = nil, "no answer" }, GateJournal, "no answer"},
		{"record broken", func(s *scene) { s.in.Book.Records[shop] = &Record{broken: "delete it"} }, GateJournal, "delete it"},
		{"warm-up", func(s *scene) { s.in.LeadingSince = epoch.Add(9 * time.Minute) }, GateWarmUp, "only watching for the first 2m0s"},
		{"clock set", func(s *scene) { s.in.ClockUntil = epoch.Add(time.Hour) }, GateClock, "the clock was set"},
		{"paused", pause(PauseAll, ""), GatePaused, "all, by ann: upgrade"},
		{"service paused", pause(PauseService, "Shop.Example.com"), GatePaused, "service Shop.Example.com, by ann"},
		{"cluster in doubt", func(s *scene) { s.doubt = "no leader" }, GateDoubt, "test: no leader"},
		{"engine deaf", func(s *scene) { s.deaf = errors.New("context deadline exceeded") }, GateRuntime, "deadline"},
		{"update running", func(s *scene) { o := s.observed[shop]; o.Busy = "an update is paused"; s.observed[shop] = o }, GateBusy, "update is paused"},
		{"a repair under way", func(s *scene) {
			s.in.Book.Records[shop] = &Record{Service: shop, Flight: &Flight{ID: "x", By: "me", What: "scale", Kind: Scale, To: 3, Since: epoch}}
			s.in.Acting = map[string]string{shop: "x"}
		}, GateFlight, "raising replicas to 3"},
		{"partition held", func(s *scene) {
			s.in.Services[0].Stateful = true
			s.register(shop, "n3", "c", discovery.Critical, "Serf Health Status is critical")
		}, GatePartition, "may still run on n3"},
		{"too many attempts", func(s *scene) {
			s.in.Book.Records[shop] = &Record{Service: shop, Signature: s.in.Services[0].signature(), Tries: tries("scale", 5, epoch)}
		}, GateQuarantine, "given up after 5 attempts"},
		{"budget spent", func(s *scene) {
			s.in.Policy.PerMinute, s.in.Policy.DeficitFor = 2, 10*time.Second
			s.in.Book.Records["other"] = &Record{Service: "other", Tries: tries("scale", 2, epoch)}
		}, GateBudget, "2 repairs in the last minute"},
		{"brake", func(s *scene) {
			for i := range 3 {
				s.register(shop, "n4", fmt.Sprint("bad", i), discovery.Critical, "http is critical")
			}
		}, GateBrake, "3 of 5 copies on living nodes are critical"},
		{"most nodes lost", func(s *scene) {
			for i := range 3 {
				s.register("other", fmt.Sprint("lost", i), "x", discovery.Critical, "Serf Health Status is critical")
			}
		}, GateBrake, "3 of 5 nodes are lost"},
		{"service in doubt", func(s *scene) { s.instances[shop][0].Held = "restored" }, GateDoubt, "restored"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shortScene(t)
			c.change(s)
			after := 10 * time.Minute
			if c.gate == GateBudget { // a minute is its window
				after = 50 * time.Second
			}
			gate, reason := s.refused(shop, after)
			if gate != c.gate || !strings.Contains(reason, c.says) {
				t.Errorf("refused by %q: %s; want %q: …%s", gate, reason, c.gate, c.says)
			}
		})
	}
}

// tries are attempts until a time.
func tries(what string, n int, last time.Time) map[string][]time.Time {
	all := make([]time.Time, n)
	for i := range all {
		all[i] = last
	}
	return map[string][]time.Time{what: all}
}

func TestHoldDown(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*scene)
		want   time.Duration
	}{
		{"deficit", func(*scene) {}, time.Minute},
		{"copies on a lost node", func(s *scene) { s.register(shop, "n3", "c", discovery.Critical, "Serf Health Status is critical") }, 2 * time.Minute},
		{"other copies critical", func(s *scene) { s.register(shop, "n1", "c", discovery.Critical, "http is critical") }, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shortScene(t)
			c.change(s)
			if r, after := s.until(10 * time.Minute); len(r.Claims) == 0 || after != c.want {
				t.Errorf("%d claims after %s, want one after %s", len(r.Claims), after, c.want)
			}
		})
	}
}

// A deficit that comes and goes is none: each time it is there again the hold-down begins anew, and so it does after a doubt and
// after an engine that did not answer.
func TestInterruptedDeficitBeginsAnew(t *testing.T) {
	for name, interrupt := range map[string]func(*scene) (undo func()){
		"present again": func(s *scene) func() {
			was := s.instances[shop]
			s.register(shop, "n3", "c", discovery.Warning, "")
			return func() { s.instances[shop] = was }
		},
		"doubt of the service": func(s *scene) func() {
			s.instances[shop][0].Held = "x"
			return func() { s.instances[shop][0].Held = "" }
		},
		"engine deaf": func(s *scene) func() {
			s.deaf = errors.New("no answer")
			return func() { s.deaf = nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := shortScene(t)
			for range 10 {
				s.refused(shop, 50*time.Second)
				undo := interrupt(s)
				s.refused(shop, time.Second)
				undo()
			}
			if r, after := s.until(2 * time.Minute); len(r.Claims) == 0 || after != time.Minute {
				t.Errorf("%d claims after %s", len(r.Claims), after)
			}
		})
	}
}

// A deficit seen in one long look is not enough, nor is one seen many times in a moment.
func TestIndependentReads(t *testing.T) {
	s := shortScene(t)
	s.in.Policy.DeficitFor = time.Nanosecond
	for range 200 {
		s.now = s.now.Add(time.Millisecond)
		if r := s.plan(); len(r.Claims) > 0 || r.Services[0].Gate != GateReads {
			t.Fatalf("%d claims, gate %s", len(r.Claims), r.Services[0].Gate)
		}
	}
	if r, _ := s.until(time.Minute); len(r.Claims) != 1 {
		t.Error("no second reading counted")
	}
}

func TestDoubtStartsWarmUp(t *testing.T) {
	s := shortScene(t)
	s.doubt = "no leader"
	s.refused(shop, 10*time.Minute)
	s.doubt = ""
	if gate, _ := s.refused(shop, time.Minute); gate != GateWarmUp {
		t.Errorf("gate %s", gate)
	}
	if r, after := s.until(10 * time.Minute); len(r.Claims) == 0 || after != time.Minute {
		t.Errorf("%d claims %s after the first minute", len(r.Claims), after)
	}
}

// One dead host of two is healed; a brake that holds is lifted after a time, or by an operator.
func TestBrakeIsLifted(t *testing.T) {
	s := shortScene(t)
	s.in.Policy.DeficitFor = 10 * time.Second
	well := s.instances[shop]
	freeze := func() {
		for i := range 3 {
			s.register(shop, "n4", fmt.Sprint("bad", i), discovery.Critical, "http is critical")
		}
	}
	freeze()
	s.refused(shop, time.Minute)
	s.instances[shop] = well
	s.refused(shop, time.Minute)
	if r, after := s.until(10 * time.Minute); len(r.Claims) == 0 || after != time.Minute {
		t.Errorf("%d claims %s after the first minute without cause", len(r.Claims), after)
	}

	s = shortScene(t)
	freeze()
	s.refused(shop, 5*time.Minute)
	s.in.Book.Pauses = []Pause{{Scope: PauseBrake, Author: "ann", Reason: "known", Expires: s.now.Add(time.Hour)}}
	if r := s.plan(); len(r.Claims) != 1 {
		t.Error("an operator could not lift the brake")
	}
}

func TestOneDeadHostOfTwoIsNoFreeze(t *testing.T) {
	s := newScene(t)
	s.register(shop, "n1", "a", discovery.Passing, "")
	s.register(shop, "n2", "b", discovery.Critical, "Serf Health Status is critical")
	s.register(shop, "n2", "c", discovery.Critical, "Serf Health Status is critical")
	s.copies(shop, 2, "a", "b")
	if r, _ := s.until(10 * time.Minute); len(r.Claims) != 1 || r.Frozen != "" {
		t.Errorf("%d claims, frozen %q", len(r.Claims), r.Frozen)
	}
}

func TestSwarmMendsByItself(t *testing.T) {
	s := shortScene(t)
	s.copies(shop, 3, "a", "b")
	o := s.observed[shop]
	o.Copies = append(o.Copies, Copy{ID: "task3", Slot: 3, Node: "n3", Problem: "No such image: shop:9"})
	s.observed[shop] = o
	var told []Notice
	for range 5 * 60 {
		s.now = s.now.Add(time.Second)
		r := s.plan()
		if len(r.Claims) > 0 {
			t.Fatalf("claimed %+v", r.Claims[0].Action)
		}
		if status := r.Services[0]; s.now.Sub(epoch) > time.Minute && (status.Gate != GateNothing || !strings.Contains(status.Refusal, "Swarm's to mend")) {
			t.Fatalf("gate %q: %s", status.Gate, status.Refusal)
		}
		if r.Matters != nil {
			told = append(told, r.Matters.tell...)
			if waited := s.now.Sub(epoch); waited < 2*time.Minute {
				t.Errorf("told after %s already", waited)
			}
		}
	}
	if len(told) != 1 || told[0].Event != TooFew || told[0].Key != "live/shop.example.com/few" ||
		!strings.Contains(told[0].Text, "slot 3 on n3: No such image: shop:9") || !strings.Contains(told[0].Text, "2 of 3") {
		t.Errorf("told %+v", told)
	}
	s.register(shop, "n3", "c", discovery.Passing, "")
	told = nil
	for range 60 {
		s.now = s.now.Add(time.Second)
		if r := s.plan(); r.Matters != nil {
			told = append(told, r.Matters.tell...)
		}
	}
	if len(told) != 1 || told[0].Event != Healed || !told[0].Resolved || told[0].Key != "live/shop.example.com/few" {
		t.Errorf("told %+v", told)
	}
}

func TestReplicasAreNeverLowered(t *testing.T) {
	s := shortScene(t)
	s.copies(shop, 5, "a", "b")
	if gate, _ := s.refused(shop, 10*time.Minute); gate != GateNothing {
		t.Errorf("gate %q", gate)
	}
}

func TestSickCopyOfSwarmIsReplaced(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*scene)
		after  time.Duration // 0 for never
	}{
		{"critical", func(s *scene) {}, time.Minute},
		{"just started", func(s *scene) { s.observed[shop].Copies[2].Since = epoch }, 2 * time.Minute},
		{"in maintenance", func(s *scene) { s.instances[shop][2].Health = discovery.Maintenance }, 0},
		{"on a lost node", func(s *scene) { s.instances[shop][2].HealthNote = "Serf Health Status is critical" }, 0},
		{"not running", func(s *scene) { s.observed[shop].Copies[2].Running = false }, 0},
		{"none of this engine", func(s *scene) { s.observed[shop].Copies[2].Name = "other" }, 0},
		{"its host paused", func(s *scene) {
			s.in.Book.Pauses = []Pause{{Scope: PauseHost, Name: "n3", Expires: epoch.Add(time.Hour)}}
		}, 0},
		{"stateful", func(s *scene) { s.in.Services[0].Stateful = true }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shortScene(t)
			s.register(shop, "n3", "c", discovery.Critical, "http is critical")
			s.copies(shop, 3, "a", "b", "c")
			c.change(s)
			r, after := s.until(4 * time.Minute)
			if c.after == 0 {
				if len(r.Claims) > 0 {
					t.Errorf("claimed %+v", r.Claims[0].Action)
				}
				return
			}
			if len(r.Claims) != 1 || after != c.after {
				t.Fatalf("%d claims after %s", len(r.Claims), after)
			}
			a := r.Claims[0].Action
			if a.Kind != Stop || a.Copy != "id-c" || a.Node != "n3" || !strings.Contains(a.Reason, "http is critical") {
				t.Errorf("%+v", a)
			}
		})
	}
}
