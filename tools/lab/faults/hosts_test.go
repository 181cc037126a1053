package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// powerOff takes the power from the last host, which no edge follows.
func (w *ward) powerOff(t *testing.T, r *result) {
	w.spread(t)
	victim := w.Hosts[2]
	planned, start := w.planned(), w.mark()
	began := time.Now()
	if err := victim.PowerOff(); err != nil {
		t.Fatal(err)
	}
	noticed := w.until(t, "the loss to be noticed at every edge", slack, func() bool {
		return !slices.ContainsFunc(w.Edges, func(e *fleet.Edge) bool { return asks(e, tended, victim) })
	})
	before, late := w.failedSince(start), w.mark()
	healed, alone := w.both(t, "as many as wanted on two hosts", lostAfter()+slack, w.elsewhere(victim.Name))
	total := round(time.Since(began))
	time.Sleep(w.deficitFor())
	w.unfailed(t, late, "after the loss was noticed")
	r.healed("noticed after %s, %d requests failed until then, none later; as many as wanted %s after that, by Swarm, %d repairs", noticed, before, healed, w.planned()-planned)
	r.untended("Swarm replaces its copy %s after that, %s after the loss", alone, total)
}

// asks reports whether an edge may ask a copy of a service on a host.
func asks(e *fleet.Edge, domain string, h *hosts.Host) bool {
	var all struct {
		Pools []struct {
			Groups []struct {
				Members []struct{ Instance, State string }
			}
		}
	}
	if e.GetJSON("/fairlead/pools/"+domain, &all) != nil {
		return true // nobody can tell
	}
	for _, p := range all.Pools {
		for _, g := range p.Groups {
			for _, m := range g.Members {
				if strings.Contains(m.Instance, "/"+h.Name+"/") && m.State != "down" {
					return true
				}
			}
		}
	}
	return false
}

// powerOn brings it back, with a container of unknown origin that starts with its engine.
func (w *ward) powerOn(t *testing.T, r *result) {
	victim := w.Hosts[2]
	if !victim.On() {
		if err := victim.PowerOn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	extra := runExtra(t, victim, tended, container.RestartPolicyAlways)
	more := func() bool { return w.present(tended) == w.count+1 }
	w.until(t, "one more than wanted", slack, more)
	if err := victim.PowerOff(); err != nil {
		t.Fatal(err)
	}
	w.both(t, "as many as wanted on two hosts", lostAfter()+slack, w.elsewhere(victim.Name))
	w.until(t, "the end of a warning about what ran before", slack, func() bool {
		return w.sight(max(0, w.leader()), tended).State == healer.Passing && !w.people.worried("warning", tended)
	})
	planned, on := w.planned(), time.Now()
	if err := victim.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the container of unknown origin to be back", slack, more)
	back := round(time.Since(on))
	w.until(t, "a warning to people", w.deficitFor()+slack, func() bool { return len(w.people.heard("warning", tended, on)) > 0 })
	w.during(t, probation()+2*w.deficitFor(), func() error {
		if _, ids, err := running(t.Context(), victim); err == nil && !ids[extra] {
			return fmt.Errorf("the container of unknown origin was stopped")
		}
		return nil
	})
	w.expectPlanned(t, planned, 0)
	w.toldOnce(t, healer.Warning, tended, on)
	swarms := len(w.copies(t, tended)) - 1
	if swarms != w.count {
		t.Errorf("Swarm runs %d copies, want %d", swarms, w.count)
	}
	if err := victim.Docker().ContainerRemove(t.Context(), extra, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	r.healed("%d copies of Swarm's, one in each slot, and the one of unknown origin %s after the start: one warning, not stopped", swarms, back)
	r.untended("Swarm's old containers stay dead; of a container of unknown origin it knows nothing")
}

// runExtra runs a container that neither Swarm nor the healer has started, and returns its ID.
func runExtra(t *testing.T, h *hosts.Host, domain string, restart container.RestartPolicyMode) string {
	t.Helper()
	port := nat.Port(fmt.Sprintf("%d/tcp", hosts.WebPort))
	made, err := h.Docker().ContainerCreate(t.Context(), &container.Config{
		Image: hosts.Web, Labels: fleet.Labels(domain), ExposedPorts: nat.PortSet{port: {}},
	}, &container.HostConfig{
		PublishAllPorts: true, RestartPolicy: container.RestartPolicy{Name: restart},
	}, nil, nil, "")
	if err == nil {
		err = h.Docker().ContainerStart(t.Context(), made.ID, container.StartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// minority cuts the host whose Consul the acting healer follows from the other two; the edges reach all.
func (w *ward) minority(t *testing.T, r *result) {
	w.spread(t)
	old := w.leader()
	victim := w.Edges[old].Host
	other := 1 - old
	planned, start := w.planned(), w.mark()
	w.watch.allow("I1") // a copy runs on where it is cut off, until that is over
	w.watch.allow("I6") // nothing can be written there
	began := time.Now()
	for _, h := range w.Hosts {
		if h == victim {
			continue
		}
		if err := h.Cut(t.Context(), victim.Address); err != nil {
			t.Fatal(err)
		}
		if err := victim.Cut(t.Context(), h.Address); err != nil {
			t.Fatal(err)
		}
	}
	w.until(t, "the healer to stop", slack, func() bool { s, err := w.status(old); return err == nil && !s.Leading })
	stopped := round(time.Since(began))
	w.until(t, "another healer to begin", handover(), func() bool { s, err := w.status(other); return err == nil && s.Leading })
	begun := round(time.Since(began))
	w.scale(t, w.count-1, victim)
	w.until(t, "the other healer to raise the replicas", warmUp()+lostAfter()+slack, func() bool { return w.planned()-planned == 1 })
	raised := round(time.Since(began))
	w.until(t, "what Swarm runs instead", slack, func() bool { return w.but(t, victim, tended) == w.count && w.but(t, victim, untended) == w.count-1 })
	for _, h := range w.Hosts {
		if err := h.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again := time.Now()
	w.until(t, "Consul to be one again", slack, w.agreed(nil))
	w.watch.forbid("I6")
	w.until(t, "the end of what ran twice", slack+probation()+2*resync(), func() bool {
		return len(w.copies(t, tended)) == w.count && w.full(tended) && w.watch.single(again)
	})
	w.watch.forbid("I1")
	w.expectPlanned(t, planned, 1)
	if _, most := w.watch.told(names[tended]); most > w.count {
		t.Errorf("Swarm was told to keep %d copies up, wanted are %d", most, w.count)
	}
	w.unfailed(t, start, "during the partition")
	r.healed("stopped after %s, the other began after %s and raised the replicas after %s; no request failed", stopped, begun, raised)
	r.untended("stays at the %d that Swarm was told", w.replicas(names[untended]))
	w.scaleOne(t, names[untended], w.count, nil)
}
