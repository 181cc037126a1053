package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// crashes wants a container that ends at once, and one whose image does not exist.
func (w *ward) crashes(t *testing.T, r *result) {
	const crash, ghost = "crash.example.com", "ghost.example.com"
	planned, start, from := w.planned(), w.mark(), time.Now()
	entry := func(domain, run string) string {
		return fmt.Sprintf(`{"domain": %q, "count": 1, "singleton": true, "run": %s}`, domain, run)
	}
	if err := w.want(w.count, entry(crash, w.runOf(crash, hosts.Web, `, "command": ["crash"]`)), entry(ghost, w.runOf(ghost, noImage, ""))); err != nil {
		t.Fatal(err)
	}
	long := w.deficitFor() + short(30*time.Second)*15 + 5*verify() + slack
	took := w.until(t, "both to be given up", long, func() bool {
		return len(w.people.heard("gave_up", crash, from)) > 0 && len(w.people.heard("gave_up", ghost, from)) > 0
	})
	time.Sleep(2 * w.deficitFor()) // nothing more may come
	for _, domain := range []string{crash, ghost} {
		tries, failures := w.audited(0, "plan:", domain, from), w.audited(0, "failed:", domain, from)
		if len(tries) != 5 || len(failures) != 5 {
			t.Fatalf("%d attempts at %s and %d failures, want 5", len(tries), domain, len(failures))
		}
		for i := range 4 {
			if gap, wait := tries[i+1].Sub(failures[i]), short(30*time.Second)<<i; gap < wait {
				t.Errorf("attempt %d at %s came %s after the failure of the one before, want %s at least", i+2, domain, round(gap), wait)
			}
		}
	}
	for _, domain := range []string{crash, ghost} {
		if n := len(w.people.heard("gave_up", domain, from)); n != 1 {
			t.Errorf("people were told %d times that %s is given up", n, domain)
		}
	}
	if n := w.planned() - planned; n != 10 {
		t.Errorf("%d repairs in all, want 10: others are not as they were", n)
	}
	w.unfailed(t, start, "beside the crashing container")
	if err := w.want(w.count); err != nil {
		t.Fatal(err)
	}
	loops := w.dockerAlone(t)
	r.healed("given up after 5 attempts with growing waits, %s in all, told once; an image that does not exist the same; others unaffected", took)
	r.untended("Docker alone (restart=always) started the container %d times in %s, and goes on", loops, round(w.deficitFor()))
}

// noImage is an image that cannot be had.
const noImage = "registry.invalid/none:1"

// dockerAlone counts how often Docker starts a crashing container by itself in a minute.
func (w *ward) dockerAlone(t *testing.T) int {
	t.Helper()
	engine := w.Hosts[0].Docker()
	made, err := engine.ContainerCreate(t.Context(), &container.Config{Image: hosts.Web, Cmd: []string{"crash"}},
		&container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways}}, nil, nil, "")
	if err == nil {
		err = engine.ContainerStart(t.Context(), made.ID, container.StartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(w.deficitFor())
	is, err := engine.ContainerInspect(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	return is.RestartCount
}

// crashesInSwarm wants a Swarm service whose copies end at once.
func (w *ward) crashesInSwarm(t *testing.T, r *result) {
	const crash = "crash.example.com"
	planned, start, from := w.planned(), w.mark(), time.Now()
	spec := fleet.Service("crash", crash, 2, restarts())
	spec.TaskTemplate.ContainerSpec.Args = []string{"crash"}
	made, err := w.manager(t, nil).ServiceCreate(t.Context(), spec, swarm.ServiceCreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.want(w.count, fmt.Sprintf(`{"domain": %q, "count": 2, "run": {"swarm": "crash"}}`, crash)); err != nil {
		t.Fatal(err)
	}
	took := w.until(t, "people to be told", 2*lostAfter()+slack, func() bool { return len(w.people.heard("critical", crash, from)) > 0 })
	w.during(t, lostAfter(), func() error { return nil })
	told := w.people.heard("critical", crash, from)
	w.toldOnce(t, healer.Critical, crash, from)
	w.expectPlanned(t, planned, 0)
	tasks, err := w.manager(t, nil).TaskList(t.Context(), swarm.TaskListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, task := range tasks {
		if task.ServiceID == made.ID {
			n++
		}
	}
	w.unfailed(t, start, "beside the crashing service")
	if err := w.want(w.count); err != nil {
		t.Fatal(err)
	}
	if err := w.manager(t, nil).ServiceRemove(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	r.healed("no repair; people told once, %s after it began, with Swarm's words: %q; others unaffected", took, shortened(told[0].Text))
	r.untended("Swarm starts it again and again, %d tasks by then, and tells nobody", n)
}

func shortened(text string) string { return text[:min(len(text), 160)] }

// imageMissing updates both services to an image that does not exist, as an operator does by a slip.
func (w *ward) imageMissing(t *testing.T, r *result) {
	planned, start, from := w.planned(), w.mark(), time.Now()
	for _, service := range names {
		w.change(t, service, nil, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = noImage })
	}
	w.until(t, "people to be told", 2*lostAfter()+slack, func() bool { return len(w.people.heard("critical", tended, from)) > 0 })
	old := w.present(tended)
	w.during(t, w.deficitFor(), func() error {
		if n := w.present(tended); n < old {
			return fmt.Errorf("%d copies are present, were %d", n, old)
		}
		return nil
	})
	alone := w.present(untended)
	w.expectPlanned(t, planned, 0)
	told := w.people.heard("critical", tended, from)
	w.toldOnce(t, healer.Critical, tended, from)
	w.unfailed(t, start, "while the update failed")
	for _, service := range names {
		w.change(t, service, nil, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = hosts.Web })
	}
	r.healed("%d of %d stay, no repair, told once: %q; no request failed", old, w.count, shortened(told[0].Text))
	r.untended("Swarm pauses the update, %d of %d stay, and tells nobody", alone, w.count)
}
