package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// newCount changes the desired count while a repair waits for its hold-down, and again while one is under way; the edges are reloaded.
func (w *ward) newCount(t *testing.T, r *result) {
	planned, start, short := w.planned(), w.mark(), time.Now()
	lead := w.leader()
	w.scale(t, w.count-1, nil)
	w.until(t, "the hold-down", slack, func() bool { return w.sight(lead, tended).Gate == "hold-down" })
	if err := w.want(w.count + 1); err != nil {
		t.Fatal(err)
	}
	for _, e := range w.Edges {
		if err := e.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	raised := w.until(t, "one more than before", 2*w.deficitFor()+slack, func() bool { return w.replicas(names[tended]) == w.count+1 })
	if err := w.want(w.count); err != nil { // the repair waits for its proof
		t.Fatal(err)
	}
	w.until(t, "the end of the repair", slack+verify(), func() bool {
		s := w.sight(max(0, w.leader()), tended)
		return s.Count == w.count && s.State == "warning" && s.Flight == nil
	})
	w.during(t, w.deficitFor(), func() error {
		if n := w.replicas(names[tended]); n != w.count+1 {
			return fmt.Errorf("Swarm was told %d: nobody may lower what is there", n)
		}
		return nil
	})
	w.expectPlanned(t, planned, 1)
	w.patient(t, short)
	if _, most := w.watch.told(names[tended]); most != w.count+1 {
		t.Errorf("Swarm was told %d copies at most, want %d", most, w.count+1)
	}
	if n := w.replicas(names[untended]); n != w.count-1 {
		t.Errorf("Swarm keeps %d of what nobody tends", n)
	}
	w.scale(t, w.count, nil)
	w.until(t, "as many as wanted", slack, w.complete)
	w.unfailed(t, start, "meanwhile")
	r.healed("%d wanted instead of %d in the hold-down, with a reload: %d after %s, by one repair; %d again while it was under way: a warning, nothing lowered", w.count+1, w.count, w.count+1, raised, w.count)
	r.untended("stays at the %d that Swarm was told", w.count-1)
}

// badFiles replaces the desired file by ones that make no sense, while the service is short.
func (w *ward) badFiles(t *testing.T, r *result) {
	good, err := os.ReadFile(w.Desired)
	if err != nil {
		t.Fatal(err)
	}
	lead := w.leader()
	was, err := w.status(lead)
	if err != nil {
		t.Fatal(err)
	}
	planned, start, from := w.planned(), w.mark(), time.Now()
	entry := `{"services": [{"domain": "` + tended + `", "count": %s, "run": {"swarm": "shop"}}%s]}`
	problems := map[string]bool{}
	for name, text := range map[string]string{
		"cut short":         string(good[:len(good)/2]),
		"empty":             "",
		"no JSON":           "count: 3",
		"unknown field":     fmt.Sprintf(entry, "3", `, {"colour": "red"}`),
		"count 0":           fmt.Sprintf(entry, "0", ""),
		"below the minimum": fmt.Sprintf(entry, "1", ""),
		"a service twice":   fmt.Sprintf(entry, "3", `, {"domain": "`+tended+`", "count": 3, "run": {"swarm": "shop"}}`),
	} {
		if err := w.Want(text); err != nil {
			t.Fatal(err)
		}
		w.until(t, "a word about the file that is "+name, slack, func() bool {
			s, err := w.status(lead)
			if err != nil || s.Problem == "" || problems[s.Problem] || !strings.Contains(s.Problem, "desired.json") {
				return false
			}
			problems[s.Problem] = true
			return true
		})
		s, err := w.status(lead)
		if err != nil || s.Desired != was.Desired {
			t.Errorf("%s: version %s is in force, was %s; %v", name, s.Desired, was.Desired, err)
		}
	}
	if err := os.Remove(w.Desired); err != nil {
		t.Fatal(err)
	}
	w.scale(t, w.count-1, nil)
	held := w.until(t, "the last good file to count", 2*w.deficitFor()+slack, func() bool { return w.full(tended) && w.planned() == planned+1 })
	told := w.until(t, "people to be told", doubtFor()+slack, func() bool { return len(w.people.heard("doubt", "", from)) > 0 })
	if err := os.WriteFile(w.Desired, good, 0o600); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the good file", slack, func() bool { s, err := w.status(lead); return err == nil && s.Problem == "" })
	w.expectPlanned(t, planned, 1)
	w.unfailed(t, start, "meanwhile")
	r.healed("%d kinds refused, each by its own words, and a missing file; the last good one healed a shortage after %s; people told (%s later)", len(problems), held, told)
	r.untended("stays at the %d that Swarm was told", w.replicas(names[untended]))
	w.scaleOne(t, names[untended], w.count, nil)
}
