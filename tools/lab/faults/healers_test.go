package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// lockKey is where the healers agree on who acts.
const lockKey = "fairlead/healer/lock"

// twoHealers has a third healer act beside the one that leads: its cluster is a file, so that it knows of no lock. Then the leader's session
// is destroyed in the middle of its hold-down.
func (w *ward) twoHealers(t *testing.T, r *result) {
	third, file := w.lawless(t)
	planned, start := w.planned(), w.mark()
	writeCopies(t, file, w.entries(tended)[:w.count-1])
	w.scale(t, w.count-1, nil)
	both := w.until(t, "both healers to see to it", 2*w.deficitFor()+slack, func() bool {
		return w.replicas(names[tended]) == w.count && w.full(tended)
	})
	w.during(t, w.deficitFor(), func() error { return nil })
	acted := w.planned() - planned
	others := planOf(third)
	if acted+others < 1 || acted > 1 || others > 1 {
		t.Errorf("the healers planned %d and %d repairs, want one at most each", acted, others)
	}
	third.Kill()
	w.settled(t)

	lead, short := w.leader(), time.Now()
	was, err := w.status(lead)
	if err != nil {
		t.Fatal(err)
	}
	w.scaleOne(t, names[tended], w.count-1, nil)
	time.Sleep(w.deficitFor() / 2)
	pair, _, err := w.Hosts[0].Consul().Client().KV().Get(lockKey, nil)
	if err != nil || pair == nil || pair.Session == "" {
		t.Fatalf("the lock is %+v, %v", pair, err)
	}
	if _, err := w.Hosts[0].Consul().Client().Session().Destroy(pair.Session, nil); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the leader to notice", slack, func() bool {
		s, err := w.status(lead)
		return err == nil && (!s.Leading || !s.LeadingSince.Equal(was.LeadingSince))
	})
	took := w.until(t, "the repair by whoever has the lock next", handover()+warmUp()+2*w.deficitFor()+slack, func() bool { return w.full(tended) })
	w.settled(t)
	w.patient(t, short)
	updates, most := w.watch.told(names[tended])
	if most > w.count || updates != 2 {
		t.Errorf("Swarm was told %d times, and %d copies at most; want 2 times %d", updates, most, w.count)
	}
	w.unfailed(t, start, "with two healers")
	r.healed("two that act at once: %d and %d repairs planned, one update, %d copies after %s; session destroyed: one more update, %s later", acted, others, w.count, both, took)
	r.untended("stays at the %d that Swarm was told", w.replicas(names[untended]))
	w.scaleOne(t, names[untended], w.count, nil)
}

// hush has the clients of an edge count nothing while it is down on purpose.
func (w *ward) hush(edge int, silent bool) {
	for _, c := range w.clients {
		if c.edge == w.Edges[edge].Addr() {
			c.hush(silent)
		}
	}
}

// asleep stops the acting healer in its hold-down, has another heal, makes the service short again, and wakes it: it has seen enough to act
// at once, if it believed that it may.
func (w *ward) asleep(t *testing.T, r *result) {
	lead := w.leader()
	other := 1 - lead
	slept, acted, start := w.plannedBy(lead), w.plannedBy(other), w.mark()
	w.hush(lead, true)
	w.scale(t, w.count-1, nil)
	w.until(t, "the hold-down", slack, func() bool { return w.sight(lead, tended).Gate == "hold-down" })
	if err := w.Edges[lead].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	defer func() {
		_ = w.Edges[lead].Signal(syscall.SIGCONT) // once more does no harm
		w.hush(lead, false)
	}()
	w.until(t, "another healer to begin", handover(), func() bool { s, err := w.status(other); return err == nil && s.Leading })
	begun := round(time.Since(stopped))
	w.until(t, "its repair", warmUp()+2*w.deficitFor()+slack, func() bool { return w.full(tended) })
	w.until(t, "its proof", slack+verify(), func() bool { s := w.sight(other, tended); return s.State == "passing" && s.Flight == nil })
	healed := round(time.Since(stopped))
	if rest := 2*lockTTL() - time.Since(stopped); rest > 0 {
		time.Sleep(rest)
	}
	short := time.Now()
	w.scaleOne(t, names[tended], w.count-1, nil)
	w.until(t, "the service to be short again", slack, func() bool { return w.present(tended) == w.count-1 })
	if err := w.Edges[lead].Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the second repair", 2*w.deficitFor()+slack, func() bool { return w.full(tended) })
	w.settled(t)
	w.patient(t, short)
	s, err := w.status(lead)
	if err != nil || s.Leading {
		t.Errorf("the woken healer leads: %v, %v", s.Leading, err)
	}
	slept, acted = w.plannedBy(lead)-slept, w.plannedBy(other)-acted
	if slept != 0 || acted != 2 {
		t.Errorf("the healer that was stopped planned %d repairs and the other %d, want 0 and 2", slept, acted)
	}
	updates, most := w.watch.told(names[tended])
	if most > w.count || updates != 2 {
		t.Errorf("Swarm was told %d times, and %d copies at most; want 2 times %d", updates, most, w.count)
	}
	w.unfailed(t, start, "at the other edge")
	r.healed("another began after %s and healed after %s; the woken one did nothing, and the next repair kept its hold-down", begun, healed)
	r.untended("stays at the %d that Swarm was told", w.replicas(names[untended]))
	w.scaleOne(t, names[untended], w.count, nil)
}

// killedInSwarm kills the acting healer as soon as Swarm has its order.
func (w *ward) killedInSwarm(t *testing.T, r *result) {
	lead := w.leader()
	other := 1 - lead
	start := w.mark()
	w.hush(lead, true)
	w.scale(t, w.count-1, nil)
	w.until(t, "somebody to raise the replicas", 2*w.deficitFor()+slack, func() bool { return w.replicas(names[tended]) == w.count })
	w.Edges[lead].Kill()
	record := func() string {
		pair, _, err := w.Hosts[0].Consul().Client().KV().Get("fairlead/healer/live/records/"+tended, nil)
		if err != nil || pair == nil {
			return ""
		}
		return string(pair.Value)
	}
	if !strings.Contains(record(), `"flight"`) {
		t.Logf("the repair was proven before the kill: %s", record())
	}
	killed := time.Now()
	w.until(t, "another healer to begin", handover(), func() bool { s, err := w.status(other); return err == nil && s.Leading })
	begun := round(time.Since(killed))
	w.until(t, "it to finish the repair", slack+warmUp()+short(5*time.Minute), func() bool { return w.full(tended) && !strings.Contains(record(), `"flight"`) })
	finished := round(time.Since(killed))
	w.during(t, w.deficitFor(), func() error { return nil })
	w.Edges[lead].Start()
	w.hush(lead, false)
	updates, most := w.watch.told(names[tended])
	if most > w.count || updates != 1 {
		t.Errorf("Swarm was told %d times, and %d copies at most; want once %d", updates, most, w.count)
	}
	w.unfailed(t, start, "at the other edge")
	r.healed("another began after %s, found the repair and finished it after %s; Swarm was told once", begun, finished)
	r.untended("stays at the %d that Swarm was told", w.replicas(names[untended]))
	w.scaleOne(t, names[untended], w.count, nil)
}

// killedHalfway kills the healer of a plain engine at each step of a start: when it has written down what it will do and the engine knows
// nothing, when the engine has made the container and not started it, and when the container runs.
func (w *ward) killedHalfway(t *testing.T, r *result) {
	const till = "till.example.com"
	h := w.Hosts[0]
	tap := w.taps[h.Name]
	desired := filepath.Join(t.TempDir(), "desired.json")
	text := fmt.Sprintf(`{"services": [{"domain": %q, "count": 1, "singleton": true, "run": %s}]}`, till, w.runOf(till, hosts.Web, ""))
	if err := os.WriteFile(desired, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	engine := "unix://" + filepath.Join(filepath.Dir(h.Socket()), "tap.sock")
	cluster := fmt.Sprintf("docker %s {\n\t\t\t\tadvertise %s\n\t\t\t\tnode %s\n\t\t\t}", engine, h.Address, h.Name)
	heal := fmt.Sprintf("desired %s\n\t\t\truntime docker %s {\n\t\t\t\tnode %s\n\t\t\t}\n\t\t\t%s", desired, engine, h.Name, w.healing())
	for _, step := range []struct {
		name, path string // the request that is the last to be sent, and never arrives
	}{
		{"written down, nothing made", "/containers/create"},
		{"made, not started", "/start"},
		{"running, not proven", ""},
	} {
		held := tap.holdUp(holds(step.path, till))
		edge := w.StartEdge(fleet.Caddyfile(lab.FreePort(t), cluster, heal))
		t.Cleanup(edge.Kill)
		within := warmUp() + 2*w.deficitFor() + slack
		if step.path == "" {
			w.until(t, "the container", within, func() bool { return len(w.copies(t, till)) == 1 })
		} else if !seen(held, within) {
			t.Fatalf("the healer never asked for %s", step.path)
		}
		edge.Kill()
		tap.let()
		edge.Start()
		took := w.until(t, "the next life to finish: "+step.name, within+short(5*time.Minute)+verify(), func() bool { return len(w.copies(t, till)) == 1 })
		w.during(t, w.deficitFor(), func() error {
			if n := len(w.copies(t, till)); n != 1 {
				return fmt.Errorf("%d copies run", n)
			}
			return nil
		})
		all, err := labelled(t.Context(), h, "io.fairlead.domain="+till)
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %d containers in all, want one; %v", step.name, len(all), err)
		}
		edge.Kill()
		for _, c := range all {
			if err := h.Docker().ContainerRemove(t.Context(), c.ID, container.RemoveOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
		}
		r.healed("%s: one copy %s after the restart", step.name, took)
	}
	r.untended("nobody finishes what was begun")
}
