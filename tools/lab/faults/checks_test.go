package faults

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// flapping has one copy of each service answer its check slowly, then with 429, then in turns badly and well.
func (w *ward) flapping(t *testing.T, r *result) {
	planned, start := w.planned(), w.mark()
	ones := []*api.ServiceEntry{w.entries(tended)[0], w.entries(untended)[0]}
	set := func(query string) {
		for _, e := range ones {
			health(t, e, query)
		}
	}
	of := func(e *api.ServiceEntry) string {
		for _, now := range w.entries(e.Service.Service) {
			if now.Service.ID == e.Service.ID {
				return now.Checks.AggregatedStatus()
			}
		}
		return "gone"
	}
	present := func() error {
		if !w.complete() {
			return fmt.Errorf("%d and %d are present", w.present(tended), w.present(untended))
		}
		return nil
	}
	set("status=200&after=1s")
	w.during(t, w.deficitFor()+2*time.Second, present)

	set("status=429")
	warned := w.until(t, "the warnings", slack, func() bool { return of(ones[0]) == api.HealthWarning && of(ones[1]) == api.HealthWarning })
	w.during(t, w.deficitFor()+2*time.Second, present)

	flaps, longest := 0, time.Duration(0)
	for began := time.Now(); time.Since(began) < 3*w.deficitFor(); flaps++ {
		from := time.Now()
		set("status=503")
		w.until(t, "the bad one to be critical", slack, func() bool { return of(ones[0]) == api.HealthCritical })
		time.Sleep(w.deficitFor()/2 - min(w.deficitFor()/2, 3*time.Second)) // the next checks are up to a second later each
		set("status=200")
		w.until(t, "it to be well", slack, func() bool { return of(ones[0]) == api.HealthPassing })
		longest = max(longest, round(time.Since(from)))
		time.Sleep(w.deficitFor() / 10)
	}
	w.until(t, "both to be well", slack, w.complete)
	w.expectPlanned(t, planned, 0)
	w.unfailed(t, start, "meanwhile")
	r.healed("answers after 1 s: present; 429: a warning after %s, present; %d times critical for %s at most, less than the hold-down: no repair; no request failed", warned, flaps, longest)
	r.untended("the same")
}

// falseAlarm has all copies' checks fail, as a check that was changed badly does; then that of one copy alone.
func (w *ward) falseAlarm(t *testing.T, r *result) {
	w.until(t, "copies that are old enough not to be well", verify()+slack, func() bool { // younger ones are never stopped
		return !slices.ContainsFunc(w.copies(t, tended), func(c copyOf) bool { return time.Since(c.made) < verify()+2*time.Second })
	})
	planned, from := w.planned(), time.Now()
	before := w.copies(t, tended)
	all := append(w.entries(tended), w.entries(untended)...)
	for _, e := range all {
		health(t, e, "status=503")
	}
	w.until(t, "all to be critical", slack, func() bool { return w.present(tended) == 0 && w.present(untended) == 0 })
	told := w.until(t, "people to be told that nothing is healed", w.deficitFor()+slack, func() bool { return len(w.people.heard("frozen", "", from)) > 0 })
	w.during(t, 2*w.deficitFor(), func() error {
		if n := w.planned() - planned; n != 0 {
			return fmt.Errorf("%d repairs were planned", n)
		}
		return nil
	})
	if now := w.copies(t, tended); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("the copies are others: %v, were %v", now, before)
	}
	if n := len(w.people.heard("frozen", "", from)); n != 1 {
		t.Errorf("people were told %d times, want once", n)
	}
	for _, e := range all {
		health(t, e, "status=200")
	}
	w.until(t, "all to be well", slack, w.complete)
	w.until(t, "the brake to be lifted", fleetClear()+slack, func() bool { s, err := w.status(max(0, w.leader())); return err == nil && s.Frozen == "" })
	r.healed("all critical: frozen and told after %s, 0 stopped", told)

	sick := []*api.ServiceEntry{w.entries(tended)[0], w.entries(untended)[0]}
	start := w.mark()
	short := time.Now()
	for _, e := range sick {
		health(t, e, "status=503")
	}
	took := w.until(t, "the sick copy to be replaced", 2*w.deficitFor()+slack+verify(), func() bool {
		return w.full(tended) && !w.registered(tended, sick[0].Service.Meta["container"])
	})
	w.settled(t)
	w.expectPlanned(t, planned, 1)
	w.patient(t, short)
	w.unfailed(t, start, "while one copy was sick")
	if w.present(untended) != w.count-1 || !w.registered(untended, sick[1].Service.Meta["container"]) {
		t.Error("the copy that nobody tends is not sick any more")
	}
	health(t, sick[1], "status=200")
	r.healed("one of %d critical: stopped through its host's agent and replaced after %s, no request failed", w.count, took)
	r.untended("all critical: Swarm does nothing, which is right; one critical: stays so, since Swarm does not know of checks")
}
