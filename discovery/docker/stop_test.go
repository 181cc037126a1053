package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func TestSignalNumber(t *testing.T) {
	for text, want := range map[string]int{
		"": 15, "SIGTERM": 15, "TERM": 15, "15": 15, "SIGQUIT": 3, "quit": 3, "9": 9, "SIGKILL": 9, "SIGRTMIN+3": 37, "RTMIN": 34,
		"SIGRTMAX-4": 60, "SIGWINCH": 28, "SIGRTMIN+99": 15, "nonsense": 15, "-3": 15,
	} {
		if got := signalNumber(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

// holds reports whether the only instance of the shop is in a state, with a note.
func holds(health discovery.Health, note string) func(*observer) bool {
	return func(o *observer) bool {
		i := o.instance(shopName)
		return i != nil && i.Health == health && strings.Contains(i.HealthNote, note)
	}
}

func TestStopRequestIsMaintenanceAtOnce(t *testing.T) {
	patient := func(c *Config) { rarely(c); c.Survive = time.Hour }
	for _, test := range []struct {
		name, stopSignal, sent string
		leaves                 bool
	}{
		{"the default signal", "", "15", true},
		{"its own signal", "SIGQUIT", "3", true},
		{"a kill", "SIGQUIT", "9", true},
		{"the default signal, which is not its own", "SIGQUIT", "15", false},
		{"a reload", "", "1", false},
		{"no signal", "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			one := shop(1).with(func(b *box) { b.stopSignal = test.stopSignal })
			s, o := started(t, patient, one)
			s.act(one.id, "kill", "signal", test.sent)
			if test.leaves {
				o.until(t, "maintenance", holds(discovery.Maintenance, "signal "+test.sent))
			}
			asked := s.count("inspect")
			s.act(one.id, "rename")
			eventually(t, "an answer", func() bool { return s.count("inspect") > asked })
			time.Sleep(20 * time.Millisecond)
			o.mu.Lock()
			defer o.mu.Unlock()
			if holds(discovery.Maintenance, "")(o) != test.leaves {
				t.Errorf("it runs on: %s", show(o.services))
			}
		})
	}
}

func TestStoppedContainerLeavesAndReturns(t *testing.T) {
	s, o := started(t, func(c *Config) { rarely(c); impatient(c); c.Survive = time.Hour }, shop(1))
	s.act(shop(1).id, "kill", "signal", "15")
	o.until(t, "maintenance", holds(discovery.Maintenance, "signal 15"))
	// While the engine is busy with it, it cannot be asked about, and the list lags.
	s.fault("inspect "+shop(1).id, hang)
	s.act(shop(1).id, "die", "exitCode", "0")
	time.Sleep(50 * time.Millisecond)
	o.until(t, "maintenance to the end", holds(discovery.Maintenance, "signal 15"))
	s.remove(shop(1))
	s.fault("inspect "+shop(1).id, nil)
	s.act(shop(1).id, "destroy")
	o.until(t, "its end", func(o *observer) bool { return len(o.services) == 0 })

	again := shop(1).with(func(b *box) { b.started = "2026-01-02T04:00:00Z" })
	s.run(again)
	s.act(again.id, "start")
	o.until(t, "its return", holds(discovery.Passing, ""))
}

// A restart between two looks: the sign was about the process before.
func TestRestartEndsTheSign(t *testing.T) {
	for _, told := range []bool{true, false} {
		s, o := started(t, func(c *Config) { rarely(c); c.Survive = time.Hour }, shop(1))
		s.act(shop(1).id, "kill", "signal", "15")
		o.until(t, "maintenance", holds(discovery.Maintenance, ""))
		again := shop(1).with(func(b *box) {
			b.ports = []string{"80=0.0.0.0:31999"}
			if !told {
				b.started = "2026-01-02T04:00:00Z"
			}
		})
		s.run(again)
		if told {
			s.act(again.id, "start")
		} else {
			s.act(again.id, "rename")
		}
		o.until(t, "its return", func(o *observer) bool { return holds(discovery.Passing, "")(o) && o.instance(shopName).Port == 31999 })
	}
}

func TestSurvivorPassesAgain(t *testing.T) {
	s, o := started(t, rarely, shop(1))
	s.act(shop(1).id, "kill", "signal", "15")
	o.until(t, "maintenance", holds(discovery.Maintenance, "signal 15"))
	began := time.Now()
	o.until(t, "its survival", holds(discovery.Passing, ""))
	// The engine's own time-out for a container's stop, and a second for what follows it, is longer than the setting: none is set here.
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("it was believed to stay after %s", took)
	}
}

// An engine that hangs gives no evidence that a container has survived.
func TestSurvivalNeedsAnAnswer(t *testing.T) {
	s, o := started(t, func(c *Config) { rarely(c); impatient(c) }, shop(1))
	s.fault("inspect "+shop(1).id, hang)
	s.act(shop(1).id, "kill", "signal", "15")
	o.until(t, "maintenance", holds(discovery.Maintenance, ""))
	time.Sleep(1500 * time.Millisecond)
	o.until(t, "maintenance", holds(discovery.Maintenance, ""))
	s.fault("inspect "+shop(1).id, nil)
	o.until(t, "its survival", holds(discovery.Passing, ""))
}

// A process that ends by itself is out of the way before the engine has cleared up after it.
func TestDeathIsSeenWhileTheEngineIsBusy(t *testing.T) {
	s, o := started(t, func(c *Config) { rarely(c); c.Survive = time.Hour }, shop(1))
	s.fault("inspect "+shop(1).id, hang)
	s.act(shop(1).id, "die", "exitCode", "137")
	o.until(t, "the death", holds(discovery.Critical, "exit code 137"))
}
