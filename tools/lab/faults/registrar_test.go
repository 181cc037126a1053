package faults

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/hashicorp/consul/api"
)

// noEvents has a container come and go while the agent compares nothing for long, so that only events can tell; then it cuts their stream
// when another dies, and loses the events of others.
func (w *ward) noEvents(t *testing.T, r *result) {
	h := w.Hosts[0]
	tap := w.taps[h.Name]
	planned := w.planned()
	die := func(domain string) time.Duration {
		victim := w.one(t, domain)
		victim.kill9(t)
		return w.until(t, "the end of the registration of "+domain, resync()+slack, func() bool { return !w.registered(domain, victim.id) })
	}
	again := func(more ...string) {
		if err := w.StopAgent(h); err != nil {
			t.Fatal(err)
		}
		w.until(t, "the end of its stream", slack, func() bool { return !tap.heard() })
		if err := w.StartAgent(h, h.Name, more...); err != nil {
			t.Fatal(err)
		}
		w.until(t, "the agent to listen", slack, tap.heard)
	}
	guest := copyOf{domain: "guest.example.com", host: h}
	comes := func() time.Duration {
		guest.id = runExtra(t, h, guest.domain, container.RestartPolicyDisabled)
		return w.until(t, "the guest's registration", resync()+slack, func() bool { return w.registered(guest.domain, guest.id) })
	}
	goes := func() time.Duration {
		remove(t, &guest)
		return w.until(t, "the end of the guest's registration", resync()+slack, func() bool { return !w.registered(guest.domain, guest.id) })
	}

	again("--resync", (2*resync() + 4*slack).String()) // longer than the two waits may take: nothing is compared after the start
	came, went := comes(), goes()
	again()
	tap.cut()
	afterCut := die(tended)
	w.until(t, "the replacement", 2*w.deficitFor()+slack, w.complete)
	w.until(t, "the agent to listen again", slack, tap.heard)

	tap.deafen(true)
	added := comes()
	gone := die(tended)
	tap.deafen(false)
	w.until(t, "the second replacement", 2*w.deficitFor()+slack, w.complete)
	goes()
	w.settled(t)
	w.expectPlanned(t, planned, 2)
	r.healed("by events alone registered after %s and deregistered after %s; deregistered %s after a cut; without events registered after %s and deregistered after %s (cycle %s); two copies died, two repairs",
		came, went, afterCut, added, gone, resync())
	r.untended("the catalogue is right for both services")
}

// agentKilled kills the agent, then copies, and starts the agent again.
func (w *ward) agentKilled(t *testing.T, r *result) {
	h := w.Hosts[0]
	foreign := w.foreign(t)
	w.watch.allow("I6") // until the agent is back
	w.Agent(h).Kill()
	victims := []copyOf{w.one(t, tended), w.one(t, untended)}
	for i := range victims {
		remove(t, &victims[i])
	}
	time.Sleep(2 * time.Second)
	for _, v := range victims {
		if !w.registered(v.domain, v.id) {
			t.Errorf("%s has no ghost: nobody but the dead agent could have removed it", v.domain)
		}
	}
	began := time.Now()
	if err := w.StartAgent(h, h.Name); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the end of the first ghost", probation()+resync()+slack, func() bool {
		return slices.ContainsFunc(victims, func(v copyOf) bool { return !w.registered(v.domain, v.id) })
	})
	if took := time.Since(began); took < probation() {
		t.Errorf("a ghost was gone %s after the agent's start, before the probation of %s", round(took), probation())
	}
	w.until(t, "the end of the ghosts", resync()+slack, func() bool {
		return !slices.ContainsFunc(victims, func(v copyOf) bool { return w.registered(v.domain, v.id) })
	})
	took := round(time.Since(began))
	w.watch.forbid("I6")
	healed := w.until(t, "the replacement", 2*w.deficitFor()+slack, func() bool { return w.full(tended) })
	if n := w.present(untended); n != w.count-1 {
		t.Errorf("%d copies of what nobody tends, want %d", n, w.count-1)
	}
	w.untouched(t, foreign)
	w.startAlone(t)
	r.healed("ghosts gone %s after the agent's start, the copy replaced %s later; another's entry untouched", took, healed)
	r.untended("the container that was removed stays away")
}

// foreign registers something that is none of ours, and returns it as Consul has it.
func (w *ward) foreign(t *testing.T) *api.ServiceEntry {
	t.Helper()
	err := w.Hosts[0].Consul().Register(&api.AgentServiceRegistration{ID: "foreign", Name: "foreign.example.com", Port: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.until(t, "the foreign entry", slack, func() bool { return len(w.entries("foreign.example.com")) == 1 })
	return w.entries("foreign.example.com")[0]
}

// untouched fails the test if a foreign entry is not as it was, and takes it away.
func (w *ward) untouched(t *testing.T, was *api.ServiceEntry) {
	t.Helper()
	now := w.entries("foreign.example.com")
	if len(now) != 1 || now[0].Service.ModifyIndex != was.Service.ModifyIndex {
		t.Errorf("another's entry was touched: %+v", now)
	}
	if err := w.Hosts[0].Consul().Deregister("foreign"); err != nil {
		t.Fatal(err)
	}
}

// renamed starts the agent again on a machine that has another name by now.
func (w *ward) renamed(t *testing.T, r *result) {
	h := w.Hosts[0]
	before, indexes, planned := w.ids(tended)+w.ids(untended), w.indexes(), w.planned()
	for _, name := range []string{"renamed", h.Name} {
		if err := w.StopAgent(h); err != nil {
			t.Fatal(err)
		}
		if err := w.StartAgent(h, name); err != nil {
			t.Fatal(err)
		}
		w.during(t, probation()+resync()+2*time.Second, func() error {
			if now := w.ids(tended) + w.ids(untended); now != before {
				return fmt.Errorf("registered are %s, were %s", now, before)
			}
			return nil
		})
	}
	if now := w.indexes(); now != indexes {
		t.Errorf("Consul was written to: %s, was %s", now, indexes)
	}
	w.expectPlanned(t, planned, 0)
	r.healed("the same service IDs, 0 writes to Consul, no repair, under another name and under the old one again")
	r.untended("the same")
}

// ghosts has entries without a container in the agent, of our owner and of nobody.
func (w *ward) ghosts(t *testing.T, r *result) {
	h := w.Hosts[0]
	foreign := w.foreign(t)
	w.watch.allow("I6") // that is the fault
	one := w.entries(tended)[0].Service
	ghost := &api.AgentServiceRegistration{ID: "ghost", Name: tended, Address: one.Address, Port: 1, Meta: map[string]string{
		"owner": one.Meta["owner"], "node_id": one.Meta["node_id"], "container": "0123456789ab"},
		Check: &api.AgentServiceCheck{CheckID: "ghost", TTL: "10m", Status: api.HealthCritical}}
	there := func() bool { return w.has("ghost") }
	planned := w.planned()

	if err := h.Consul().Register(ghost); err != nil { // by another hand, while the agent runs: it may be a second agent's
		t.Fatal(err)
	}
	w.during(t, probation()+2*resync(), func() error {
		if !there() {
			return fmt.Errorf("an entry by another hand was removed")
		}
		return nil
	})
	if err := h.Consul().Deregister("ghost"); err != nil {
		t.Fatal(err)
	}

	w.Agent(h).Kill()
	if err := h.Consul().Register(ghost); err != nil { // left behind by a life before
		t.Fatal(err)
	}
	began := time.Now()
	if err := w.StartAgent(h, h.Name); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the end of the ghost", probation()+resync()+slack, func() bool { return !there() })
	took := round(time.Since(began))
	if took < probation() {
		t.Errorf("the ghost was gone %s after the agent's start, before the probation of %s", took, probation())
	}
	w.watch.forbid("I6")
	w.untouched(t, foreign)
	w.expectPlanned(t, planned, 0)
	r.healed("left behind by a dead agent: gone %s after the start; by another hand while it runs: left alone and named; another's entry untouched; no repair", took)
	r.untended("the same: neither service is touched")
}

// has reports whether the host's Consul agent has a service ID.
func (w *ward) has(id string) bool {
	services, err := w.Hosts[0].Consul().Client().Agent().Services()
	return err == nil && services[id] != nil
}
