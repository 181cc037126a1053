package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// registered reports whether the catalogue has a container.
func (w *ward) registered(domain, id string) bool { return w.registration(domain, id) != "" }

// registration returns what tells a container's registration from a later one, empty if it has none.
func (w *ward) registration(domain, id string) string {
	for _, e := range w.entries(domain) {
		if e.Service.Meta["container"] == id {
			return fmt.Sprintf("port %d, since %d", e.Service.Port, e.Service.CreateIndex)
		}
	}
	return ""
}

// remove removes a copy as an operator does.
func remove(t *testing.T, c *copyOf) {
	t.Helper()
	if err := c.host.Docker().ContainerRemove(t.Context(), c.id, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
}

// fill has a copy take more memory than it may have, so that the kernel ends it.
func (w *ward) fill(t *testing.T, c *copyOf) {
	t.Helper()
	limit := container.Resources{Memory: 64 << 20, MemorySwap: 64 << 20}
	if _, err := c.host.Docker().ContainerUpdate(t.Context(), c.id, container.UpdateConfig{Resources: limit}); err != nil {
		t.Fatal(err)
	}
	for _, e := range w.entries(c.domain) {
		if e.Service.Meta["container"] == c.id {
			r, err := http.NewRequest("PUT", fmt.Sprintf("http://%s:%d/fill", e.Service.Address, e.Service.Port), nil)
			if err != nil {
				t.Fatal(err)
			}
			if answer, err := asker.Do(r); err == nil {
				answer.Body.Close()
				t.Errorf("a copy that takes all memory answers %s", answer.Status)
			}
			return
		}
	}
	t.Fatalf("%s is not registered", c.id)
}

// dies lets one copy of each service die, and returns how long it stays registered.
func (w *ward) dies(t *testing.T, how func(*testing.T, *copyOf)) (gone time.Duration) {
	t.Helper()
	for _, domain := range []string{tended, untended} {
		victim := w.one(t, domain)
		was := w.registration(domain, victim.id)
		how(t, &victim)
		gone = max(gone, w.until(t, "the end of the registration", slack, func() bool { return w.registration(domain, victim.id) != was }))
	}
	return gone
}

// copiesDie kills copies that Swarm keeps up.
func (w *ward) copiesDie(t *testing.T, r *result) {
	for _, way := range []struct {
		name string
		how  func(*testing.T, *copyOf)
	}{{"rm -f", remove}, {"kill -9", func(t *testing.T, c *copyOf) { c.kill9(t) }}} {
		planned := w.planned()
		gone := w.dies(t, way.how)
		healed, alone := w.both(t, "the replacements", slack+restarts(), w.full)
		w.expectPlanned(t, planned, 0)
		r.healed("%s: deregistered after %s, as many as wanted %s later, no repair", way.name, gone, healed)
		r.untended("%s: Swarm replaces it after %s", way.name, alone)
	}
}

// plainCopiesDie kills copies on a plain engine. Those that nobody tends have the restart policy always.
func (w *ward) plainCopiesDie(t *testing.T, r *result) {
	for _, way := range []struct {
		name string
		how  func(*testing.T, *copyOf)
		left int // of those that Docker alone looks after
	}{
		{"rm -f", remove, w.count - 1},
		{"kill -9", func(t *testing.T, c *copyOf) { c.kill9(t) }, w.count},
		{"out of memory", w.fill, w.count},
	} {
		planned, short := w.planned(), time.Now()
		gone := w.dies(t, way.how)
		took := w.until(t, "the replacement", 2*w.deficitFor()+slack, func() bool { return w.full(tended) && w.planned() == planned+1 })
		w.until(t, "what Docker does alone", slack, func() bool { return w.present(untended) == way.left })
		w.settled(t)
		w.expectPlanned(t, planned, 1)
		w.patient(t, short)
		r.healed("%s: deregistered within %s, replaced after %s by one repair", way.name, gone, took)
		if way.left < w.count {
			r.untended("%s: stays away", way.name)
			w.startAlone(t)
			w.until(t, "the other again", slack, w.complete)
		} else {
			r.untended("%s: Docker starts it again (restart=always)", way.name)
		}
	}
}

// settled waits until the healer has nothing under way.
func (w *ward) settled(t *testing.T) {
	t.Helper()
	w.until(t, "the proof of the last repair", slack+verify(), func() bool {
		s := w.sight(max(0, w.leader()), tended)
		return s.State == "passing" && s.Flight == nil
	})
}

// startAlone starts the containers that nobody tends, up to as many as wanted.
func (w *ward) startAlone(t *testing.T) {
	t.Helper()
	for n := len(w.copies(t, untended)); n < w.count; n++ {
		runExtra(t, w.Hosts[0], untended, container.RestartPolicyAlways)
	}
}

// runOf is how a plain engine runs a service; more are further lines of its run.
func (w *ward) runOf(domain, image, more string) string {
	labels, err := json.Marshal(fleet.Labels(domain))
	if err != nil {
		panic(err) // a map of strings is JSON
	}
	return fmt.Sprintf(`{"image": %q, "host": %q, "port": %d, "labels": %s%s}`, image, w.Hosts[0].Name, hosts.WebPort, labels, more)
}
