package healer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func TestMissingSlotIsFilled(t *testing.T) {
	for _, c := range []struct {
		name             string
		change           func(*scene)
		slot, generation int // 0 for nothing
	}{
		{"it died", func(s *scene) { s.kill(2, 1) }, 2, 2},
		{"it was removed", func(s *scene) {
			s.kill(1, 1)
			o := s.observed[db]
			o.Copies = o.Copies[1:]
			s.observed[db] = o
		}, 1, 1},
		{"it died again", func(s *scene) { s.kill(2, 1); s.container(2, 5, false, 0) }, 2, 6},
		{"a foreign copy makes up for it", func(s *scene) { s.kill(2, 1); s.register(db, "n9", "foreign", discovery.Passing, "") }, 0, 0},
		{"it runs, but is not registered", func(s *scene) { s.instances[db] = s.instances[db][:1] }, 0, 0},
		{"it is in maintenance", func(s *scene) { s.instances[db][1].Health = discovery.Maintenance }, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plainScene(t)
			c.change(s)
			r, after := s.until(10 * time.Minute)
			if c.slot == 0 {
				if len(r.Claims) > 0 {
					t.Errorf("claimed %+v", r.Claims[0].Action)
				}
				return
			}
			if len(r.Claims) != 1 || after != time.Minute {
				t.Fatalf("%d claims after %s", len(r.Claims), after)
			}
			if a := r.Claims[0].Action; a.Kind != Start || a.Slot != c.slot || a.Generation != c.generation || a.Node != "n1" {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestSickCopyOfAPlainEngineIsStopped(t *testing.T) {
	s := plainScene(t)
	s.instances[db][1].Health = discovery.Critical
	r, _ := s.until(10 * time.Minute)
	if len(r.Claims) != 1 || r.Claims[0].Action.Kind != Stop || r.Claims[0].Action.Copy != "id-db.example.com.2.1" {
		t.Errorf("claims %+v", r.Claims)
	}
}

func TestForeignCopyIsNeverStopped(t *testing.T) {
	s := plainScene(t)
	s.container(0, 0, true, discovery.Critical)
	s.instances[db][1].Health = discovery.Maintenance
	if gate, _ := s.refused(db, 10*time.Minute); gate != GateNothing {
		t.Errorf("gate %q", gate)
	}
}

func TestSuperseded(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*scene)
		stops  string
	}{
		{"an old generation came back", func(s *scene) { s.container(2, 2, true, discovery.Passing) }, "id-db.example.com.2.1"},
		{"the newer one is critical", func(s *scene) {
			s.container(2, 2, true, discovery.Critical)
			s.register(db, "n1", "foreign", discovery.Passing, "")
		}, ""},
		{"a slot beyond the count", func(s *scene) { s.container(3, 1, true, discovery.Passing) }, ""},
		{"foreign copies", func(s *scene) {
			s.container(0, 0, true, discovery.Passing)
			s.register(db, "n1", "foreign", discovery.Passing, "")
		}, ""},
		{"all of them are needed", func(s *scene) { s.kill(1, 1); s.container(2, 2, true, discovery.Passing) }, ""},
		{"below the count", func(s *scene) { s.kill(1, 1); s.container(1, 2, false, 0); s.container(2, 2, true, discovery.Critical) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plainScene(t)
			c.change(s)
			r, after := s.until(10 * time.Minute)
			var stopped string
			for _, claim := range r.Claims {
				if claim.Action.Kind == Stop {
					stopped = claim.Action.Copy
				}
			}
			if stopped != c.stops || c.stops != "" && after != time.Minute {
				t.Errorf("stopped %q after %s", stopped, after)
			}
		})
	}
}

// A slot in quarantine or back-off does not keep another one from being filled.
func TestSlotsAreIndependent(t *testing.T) {
	s := plainScene(t)
	s.kill(1, 1)
	s.kill(2, 1)
	s.in.Book.Records[db] = &Record{Service: db, Signature: s.in.Services[0].signature(), Tries: tries("start 1", 5, epoch)}
	r, _ := s.until(10 * time.Minute)
	if len(r.Claims) != 1 || r.Claims[0].Action.Slot != 2 {
		t.Errorf("claims %+v", r.Claims)
	}
	if quarantine := s.in.Book.Records[db].Quarantine; len(quarantine) != 1 {
		t.Errorf("quarantine %v", quarantine)
	}
}

// carry has what was claimed carried out, with an outcome.
func (s *scene) carry(r *Result, err error) {
	c := r.Claims[0]
	s.in.Outcomes = map[string]Outcome{c.Action.Service.Domain: {Flight: c.Record.Flight.ID, At: s.now, Err: err}}
}

func TestProof(t *testing.T) {
	s := plainScene(t)
	s.kill(2, 1)
	r, _ := s.until(10 * time.Minute)
	s.carry(r, nil)
	s.container(2, 2, true, discovery.Critical)
	s.refused(db, 30*time.Second)
	if s.in.Book.Records[db].Flight == nil {
		t.Errorf("believed in a critical copy: %+v", s.in.Book.Records[db])
	}
	s.instances[db][1].Health = discovery.Passing
	s.refused(db, 9*time.Second)
	if s.in.Book.Records[db].Flight == nil {
		t.Error("believed after 9 s")
	}
	s.refused(db, 2*time.Second)
	if record := s.in.Book.Records[db]; record.Flight != nil || record.LastError != "" || len(record.Tries["start 2"]) != 1 {
		t.Errorf("record %+v", record)
	}
}

// What fails is tried again at growing distances, given up in the end, and tried once an hour from then on.
func TestBackOffAndQuarantine(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want []time.Duration // from claim to claim
	}{
		{"an error of the engine", ErrUnknownService, []time.Duration{
			31 * time.Second, 61 * time.Second, 121 * time.Second, 241 * time.Second, 3601 * time.Second, 3601 * time.Second}},
		{"no effect", nil, []time.Duration{
			91 * time.Second, 121 * time.Second, 181 * time.Second, 301 * time.Second, 3661 * time.Second, 3600 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plainScene(t)
			s.kill(2, 1)
			var gaps []time.Duration
			var gaveUp int
			last := time.Time{}
			for len(gaps) < len(c.want) {
				r, _ := s.until(2 * time.Hour)
				if len(r.Claims) == 0 {
					t.Fatal("no further attempt")
				}
				if !last.IsZero() {
					gaps = append(gaps, s.now.Sub(last))
				}
				last = s.now
				s.carry(r, c.err)
				s.now = s.now.Add(time.Second)
				if r := s.plan(); r.Matters != nil {
					for _, n := range r.Matters.tell {
						if n.Event == GaveUp {
							gaveUp++
						}
					}
				}
			}
			for i, want := range c.want {
				if d := gaps[i] - want; d < -5*time.Second || d > 5*time.Second {
					t.Errorf("gap %d is %s, want %s", i, gaps[i], want)
				}
			}
			if len(s.in.Book.Records[db].Quarantine) != 1 || s.in.Book.matters.Open["live/db.example.com/gave_up/start 2"].Notice.Event != GaveUp {
				t.Errorf("record %+v, matters %+v", s.in.Book.Records[db], s.in.Book.matters.Open)
			}
		})
	}
}

func TestFencedIsNoFailure(t *testing.T) {
	s := plainScene(t)
	s.kill(2, 1)
	r, _ := s.until(10 * time.Minute)
	s.carry(r, errors.Join(ErrFenced))
	s.now = s.now.Add(time.Second)
	r = s.plan()
	if record := s.in.Book.Records[db]; record.Flight != nil || record.LastError != "" {
		t.Errorf("record %+v", record)
	}
	if !slices.ContainsFunc(r.Events, func(e AuditEntry) bool { return e.kind == fenced }) {
		t.Errorf("events %+v", r.Events)
	}
}

// A new way of running the service is tried at once: what was learnt of the old one says nothing.
func TestNewImageEndsQuarantine(t *testing.T) {
	s := plainScene(t)
	s.kill(2, 1)
	s.in.Book.Records[db] = &Record{Service: db, Signature: s.in.Services[0].signature(), Tries: tries("start 2", 5, epoch),
		Quarantine: map[string]time.Time{"start 2": epoch}}
	if gate, _ := s.refused(db, 5*time.Minute); gate != GateQuarantine {
		t.Errorf("gate %s", gate)
	}
	changed := *s.in.Services[0]
	changed.Run.Image = "db:2"
	s.in.Services = []*Service{&changed}
	if r := s.plan(); len(r.Claims) != 1 {
		t.Error("not tried")
	}
}

// What another healer left under way is finished, or freed once its proof is late; and a slot it may have filled is not given a
// higher generation before the engine shows that one.
func TestAnothersFlight(t *testing.T) {
	for _, c := range []struct {
		name    string
		created bool
	}{{"not carried out", false}, {"carried out", true}} {
		t.Run(c.name, func(t *testing.T) {
			s := plainScene(t)
			s.kill(2, 1)
			s.in.LeadingSince = epoch
			s.in.Book.Records[db] = &Record{Service: db, Signature: s.in.Services[0].signature(), Tries: tries("start 2", 1, epoch.Add(-time.Second)),
				Flight: &Flight{ID: "theirs", By: "them", What: "start 2", Kind: Start, Slot: 2, Generation: 2, Since: epoch.Add(-time.Second), Was: 1}}
			if c.created {
				s.container(2, 2, true, discovery.Passing)
			}
			r, after := s.until(10 * time.Minute)
			if c.created {
				if len(r.Claims) > 0 || s.in.Book.Records[db].Flight != nil {
					t.Errorf("claims %+v, record %+v", r.Claims, s.in.Book.Records[db])
				}
				return
			}
			if len(r.Claims) != 1 || r.Claims[0].Action.Generation != 2 || after != 2*time.Minute {
				t.Errorf("claims %+v after %s", r.Claims, after)
			}
		})
	}
}

// A claim of our own that we never came to carry out is freed at once.
func TestOwnFlightNotBegun(t *testing.T) {
	s := plainScene(t)
	s.kill(2, 1)
	s.in.Book.Records[db] = &Record{Service: db, Signature: s.in.Services[0].signature(), Tries: tries("start 2", 1, epoch),
		Flight: &Flight{ID: "mine", By: "me", What: "start 2", Kind: Start, Slot: 2, Generation: 2, Since: epoch}}
	if r, after := s.until(10 * time.Minute); len(r.Claims) != 1 || after != time.Minute {
		t.Errorf("%d claims after %s", len(r.Claims), after)
	}
}

// Slow start: one repair at first, two once it is proven; the budget bounds them all.
func TestSlowStart(t *testing.T) {
	s := newScene(t)
	s.in.Services = nil
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		domain := name + ".example.com"
		s.in.Services = append(s.in.Services, &Service{Domain: domain, Cluster: "live", Count: 2, Run: Run{Swarm: name}})
		s.register(domain, "n1", name, discovery.Passing, "")
		s.copies(domain, 1, name)
	}
	batches := s.batches(10*time.Minute, func(string) error { return nil })
	if !slices.Equal(batches, []int{1, 2, 3, 1, 1}) { // the last two wait until the first are a minute old
		t.Errorf("batches %v", batches)
	}
}

// A failure begins the slow start anew, and so does a time in which nothing was wrong.
func TestSlowStartBeginsAnew(t *testing.T) {
	s := newScene(t)
	s.in.Policy.PerMinute = 100
	s.in.Services = nil
	add := func(names ...string) {
		for _, name := range names {
			domain := name + ".example.com"
			s.in.Services = append(s.in.Services, &Service{Domain: domain, Cluster: "live", Count: 2, Run: Run{Swarm: name}})
			s.register(domain, "n1", name, discovery.Passing, "")
			s.copies(domain, 1, name)
		}
	}
	add("a", "b", "c", "d", "e", "f")
	fails := func(domain string) error {
		if domain == "c.example.com" {
			return errors.New("no room")
		}
		return nil
	}
	// a, then b and c; since c fails nobody takes its place until b is proven, and that allows two again.
	if batches := s.batches(3*time.Minute, fails); len(batches) < 3 || !slices.Equal(batches[:3], []int{1, 2, 2}) {
		t.Errorf("batches %v", batches)
	}
	s.batches(2*time.Hour, func(string) error { return nil })
	add("g", "h", "i")
	if batches := s.batches(3*time.Minute, func(string) error { return nil }); !slices.Equal(batches, []int{1, 2}) {
		t.Errorf("batches after a quiet time %v", batches)
	}
}

// batches plans every second for a while and carries out what is claimed, and returns how much was claimed at a time.
func (s *scene) batches(d time.Duration, fails func(domain string) error) (batches []int) {
	s.t.Helper()
	for range int(d / time.Second) {
		s.now = s.now.Add(time.Second)
		r := s.plan()
		if len(r.Claims) > 0 {
			batches = append(batches, len(r.Claims))
		}
		s.in.Outcomes = map[string]Outcome{}
		for _, c := range r.Claims {
			domain := c.Action.Service.Domain
			err := fails(domain)
			s.in.Outcomes[domain] = Outcome{Flight: c.Record.Flight.ID, At: s.now, Err: err}
			if err == nil {
				s.register(domain, "n2", domain+"2", discovery.Passing, "")
				s.copies(domain, 2, "x", "y")
			}
		}
	}
	return batches
}

// Times from before the clock was set back do not make anything wait for longer than it should.
func TestClockSetBack(t *testing.T) {
	s := plainScene(t)
	s.kill(2, 1)
	s.in.LeadingSince = epoch
	s.in.Book.Records[db] = &Record{Service: db, Signature: s.in.Services[0].signature(), Tries: tries("start 2", 3, epoch.Add(time.Hour)),
		Flight: &Flight{ID: "theirs", By: "them", What: "start 2", Kind: Start, Slot: 2, Generation: 2, Since: epoch.Add(time.Hour)}}
	if r, after := s.until(30 * time.Minute); len(r.Claims) != 1 || after > 9*time.Minute {
		t.Errorf("%d claims after %s", len(r.Claims), after)
	}
}
