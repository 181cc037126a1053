package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// engineRestarts restarts an engine whose containers end with it.
func (w *ward) engineRestarts(t *testing.T, r *result) {
	w.spread(t)
	planned, start := w.planned(), w.mark()
	began := time.Now()
	if err := w.Hosts[1].RestartDocker(t.Context()); err != nil {
		t.Fatal(err)
	}
	healed, alone := w.both(t, "the slots to be back", slack+lostAfter(), w.full)
	whole := func(domain string) bool { return w.full(domain) && len(w.copies(t, domain)) == w.count }
	w.both(t, "one copy in each slot", slack, whole)
	if w.planned() != planned {
		t.Errorf("%d repairs were planned, want none", w.planned()-planned)
	}
	r.healed("as many as wanted %s after the engine's return, one in each slot, no repair, %d requests failed meanwhile (%s in all)", healed, w.failedSince(start), round(time.Since(began)))
	r.untended("the same, after %s", alone)
}

// engineHangs makes a black hole of the engine that the acting healer asks, and has it asked.
func (w *ward) engineHangs(t *testing.T, r *result) {
	w.spread(t)
	lead := w.leader()
	victim := w.Edges[lead].Host
	planned, start := w.planned(), w.mark()
	registered := func() (ids []string) {
		for _, domain := range []string{tended, untended} {
			for _, e := range w.entries(domain) {
				if e.Node.Node == victim.Name {
					ids = append(ids, e.Service.ID)
				}
			}
		}
		slices.Sort(ids)
		return ids
	}
	before := registered()
	if len(before) == 0 {
		t.Fatal("nothing runs on the engine that is to hang")
	}
	w.watch.allow("I1") // Swarm replaces what it cannot ask about, and that runs on
	if err := victim.PauseDocker(); err != nil {
		t.Fatal(err)
	}
	resumed := false
	defer func() {
		if !resumed {
			_ = victim.ResumeDocker() // the test has failed already
		}
	}()
	w.scale(t, 1, victim)
	asked := w.until(t, "the healer to find that the engine does not answer", slack+w.deficitFor(), func() bool {
		s := w.sight(lead, tended)
		return s.State == "critical" && s.Gate == "runtime"
	})
	w.during(t, 2*w.deficitFor()+lostAfter(), func() error {
		if now := registered(); w.planned() != planned || !slices.Equal(now, before) {
			return fmt.Errorf("%d repairs, registered are %v, were %v", w.planned()-planned, now, before)
		}
		return nil
	})
	w.until(t, "what Swarm runs instead", slack, func() bool { return w.but(t, victim, tended) == 1 && w.but(t, victim, untended) == 1 })
	w.expectPlanned(t, planned, 0)
	if err := victim.ResumeDocker(); err != nil {
		t.Fatal(err)
	}
	resumed = true
	again := time.Now()
	w.until(t, "the repair when it answers again", slack+lostAfter()+warmUp()+handover(), func() bool { return w.replicas(names[tended]) == w.count })
	if n := w.replicas(names[untended]); n != 1 {
		t.Errorf("Swarm keeps %d of the service that nobody tends, was told 1", n)
	}
	w.until(t, "what ran twice to end", slack, func() bool { return w.watch.single(again) })
	w.watch.forbid("I1")
	w.unfailed(t, start, "while the engine hung")
	r.healed("unknown after %s; nothing deregistered, no repair until it answered, then one", asked)
	r.untended("Swarm takes the node for lost; stays at the 1 that it was told")
	w.scaleOne(t, names[untended], w.count, nil)
}

// liveRestore restarts an engine whose containers live on.
func (w *ward) liveRestore(t *testing.T, r *result) {
	processes := func() (pids []int) {
		for _, domain := range []string{tended, untended} {
			for _, c := range w.copies(t, domain) {
				pids = append(pids, c.pid(t))
			}
		}
		slices.Sort(pids)
		return pids
	}
	registered := func() string { return w.ids(tended) + " " + w.ids(untended) }
	before, were, planned, start := processes(), registered(), w.planned(), w.mark()
	began := time.Now()
	if err := w.Hosts[0].RestartDocker(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := round(time.Since(began))
	w.during(t, 2*w.deficitFor()+2*resync(), func() error {
		if n, are := w.planned()-planned, registered(); n != 0 || are != were {
			return fmt.Errorf("%d repairs were planned, registered are %s, were %s", n, are, were)
		}
		return nil
	})
	w.until(t, "both services", slack, w.complete)
	if now := processes(); !slices.Equal(now, before) || len(now) != 2*w.count {
		t.Errorf("processes %v, were %v", now, before)
	}
	w.expectPlanned(t, planned, 0)
	r.healed("the same %d processes and registrations, no repair; %d requests failed, as the engine laid its network anew (it was away for %s)", len(before), w.failedSince(start), took)
	r.untended("the same")
}

// superseded starts an old copy again whose slot another has taken.
func (w *ward) superseded(t *testing.T, r *result) {
	h := w.Hosts[0]
	victim := w.one(t, tended)
	planned := w.planned()
	old, err := h.Docker().ContainerInspect(t.Context(), victim.id)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Docker().ContainerStop(t.Context(), victim.id, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until(t, "its successor", w.deficitFor()+slack, func() bool { return w.planned() == planned+1 && w.full(tended) })
	w.watch.allow("I1") // that is the fault
	started := time.Now()
	id := victim.id
	err = h.Docker().ContainerStart(t.Context(), id, container.StartOptions{})
	for errdefs.IsConflict(err) { // the engine is just removing it
		time.Sleep(50 * time.Millisecond)
		err = h.Docker().ContainerStart(t.Context(), id, container.StartOptions{})
	}
	if errdefs.IsNotFound(err) { // the healer has cleaned it up by now: the same container once more
		var again container.CreateResponse
		if again, err = h.Docker().ContainerCreate(t.Context(), old.Config, old.HostConfig, nil, nil, strings.TrimPrefix(old.Name, "/")); err == nil {
			id = again.ID
			err = h.Docker().ContainerStart(t.Context(), id, container.StartOptions{})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	took := w.until(t, "the end of the superseded one", w.deficitFor()+slack, func() bool {
		_, ids, err := running(t.Context(), h)
		return err == nil && !ids[id] && w.full(tended) && w.planned() == planned+2
	})
	w.watch.forbid("I1")
	w.patient(t, started)
	r.healed("the superseded copy is stopped %s after its start, its successor lives", took)
	r.untended("Docker keeps both")
}
