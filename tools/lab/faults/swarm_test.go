package faults

import (
	"context"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// manager returns a client of a Swarm manager that answers and is not the one named. It waits for an election.
func (w *ward) manager(t *testing.T, but *hosts.Host) (m *client.Client) {
	t.Helper()
	w.until(t, "a manager that answers", slack, func() bool {
		for _, h := range w.Hosts {
			if h == but || !h.On() {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), askTime)
			_, err := h.Docker().NodeList(ctx, swarm.NodeListOptions{})
			cancel()
			if err == nil {
				m = h.Docker()
				return true
			}
		}
		return false
	})
	return m
}

// change changes a Swarm service as an operator does, through a manager other than the one named.
func (w *ward) change(t *testing.T, service string, but *hosts.Host, how func(*swarm.ServiceSpec)) {
	t.Helper()
	var err error
	for range 10 {
		m := w.manager(t, but)
		var s swarm.Service
		if s, _, err = m.ServiceInspectWithRaw(t.Context(), service, swarm.ServiceInspectOptions{}); err == nil {
			how(&s.Spec)
			if _, err = m.ServiceUpdate(t.Context(), s.ID, s.Version, s.Spec, swarm.ServiceUpdateOptions{}); err == nil {
				w.watch.mine(service)
				return
			}
		}
		time.Sleep(300 * time.Millisecond) // the version may be another by now, or the Swarm elects a leader
	}
	t.Fatal(err)
}

// scale sets the replicas of both services, as an operator does by mistake.
func (w *ward) scale(t *testing.T, n int, but *hosts.Host) {
	t.Helper()
	for _, service := range names {
		w.scaleOne(t, service, n, but)
	}
}

func (w *ward) scaleOne(t *testing.T, service string, n int, but *hosts.Host) {
	t.Helper()
	to := uint64(n)
	w.change(t, service, but, func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = &to })
}

// replicas returns how many copies Swarm keeps up, -1 if no manager says.
func (w *ward) replicas(service string) int {
	for _, h := range w.Hosts {
		if !h.On() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), askTime)
		s, _, err := h.Docker().ServiceInspectWithRaw(ctx, service, swarm.ServiceInspectOptions{})
		cancel()
		if err == nil {
			return int(*s.Spec.Mode.Replicated.Replicas)
		}
	}
	return -1
}

// spread has each host run one copy of each service, as Swarm places them at first: what it starts later goes where there is room, and it
// moves nothing back by itself.
func (w *ward) spread(t *testing.T) {
	t.Helper()
	for domain := range names {
		for range 2 * w.count {
			on := map[*hosts.Host][]copyOf{}
			for _, c := range w.copies(t, domain) {
				on[c.host] = append(on[c.host], c)
			}
			if len(on) == len(w.Hosts) {
				break
			}
			for _, copies := range on {
				if len(copies) > 1 {
					remove(t, &copies[0])
					w.until(t, "its end", slack, func() bool { return !w.registered(domain, copies[0].id) })
					break
				}
			}
			w.until(t, "the copy elsewhere", slack+restarts(), func() bool { return w.full(domain) })
		}
	}
}
