package faults

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// leaderless kills Consul's leader, then leaves the servers without any while the services are short.
func (w *ward) leaderless(t *testing.T, r *result) {
	planned, start := w.planned(), w.mark()
	killed := w.killLeader(t)
	election := w.until(t, "an election", slack, w.agreed(killed))
	if err := killed.Consul().Restart(); err != nil {
		t.Fatal(err)
	}
	w.until(t, "the server to be back", slack, w.agreed(nil))
	w.expectPlanned(t, planned, 0)

	paused := w.Hosts[1:]
	for _, h := range paused {
		if err := h.Consul().Pause(); err != nil {
			t.Fatal(err)
		}
	}
	resume := func() {
		for _, h := range paused {
			_ = h.Consul().Resume() // it fails for one that has ended, which tests below show
		}
	}
	defer resume()
	w.scale(t, w.count-1, nil)
	w.during(t, least(time.Minute, 10*time.Second), func() error {
		if n := w.planned() - planned; n != 0 {
			return fmt.Errorf("%d repairs were planned without a leader", n)
		}
		return nil
	})
	for i := range w.Edges { // a server that hangs is noticed a canary's time later; the lock tells sooner
		w.until(t, fmt.Sprintf("the healer of edge %d to know that it may not act", i+1), slack, func() bool {
			s, err := w.status(i)
			return err == nil && (!s.Leading || s.Doubt != "")
		})
	}
	w.expectPlanned(t, planned, 0)
	resume()
	back := w.until(t, "the repair", handover()+warmUp()+2*w.deficitFor()+slack, func() bool { return w.full(tended) && w.planned() > planned })
	w.expectPlanned(t, planned, 1)
	w.unfailed(t, start, "while Consul had no leader")
	r.healed("a leader %s after the old one's death, no repair; none in %s without a leader; one %s after its return; no request failed", election,
		least(time.Minute, 10*time.Second), back)
	r.untended("stays at the %d that Swarm was told", w.replicas(names[untended]))
	w.scaleOne(t, names[untended], w.count, nil)
}

// killLeader kills the Consul server that leads.
func (w *ward) killLeader(t *testing.T) *hosts.Host {
	t.Helper()
	for _, h := range w.Hosts {
		if leads, err := h.Consul().IsLeader(); err == nil && leads {
			h.Consul().Kill()
			return h
		}
	}
	t.Fatal("no Consul server leads")
	return nil
}

// agreed reports whether all Consul servers but one know a leader.
func (w *ward) agreed(but *hosts.Host) func() bool {
	return func() bool {
		for _, h := range w.Hosts {
			if h != but && h.Consul().WaitLeader(time.Second) != nil {
				return false
			}
		}
		return true
	}
}

// restored brings Consul's data back to what they were a while ago.
func (w *ward) restored(t *testing.T, r *result) {
	consul := w.Hosts[0].Consul().Client()
	planned, start := w.planned(), w.mark()
	snapshot, _, err := consul.Snapshot().Save(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	var saved bytes.Buffer
	if _, err := saved.ReadFrom(snapshot); err != nil {
		t.Fatal(err)
	}
	for n := range 200 { // what is lost
		if _, err := consul.KV().Put(&api.KVPair{Key: fmt.Sprint("lost/", n), Value: []byte("x")}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Hosts[0].Consul().Register(&api.AgentServiceRegistration{ID: "lost", Name: "lost.example.com", Port: 1}); err != nil {
		t.Fatal(err)
	}
	before := w.lastIndex(t)
	if err := w.Hosts[0].Consul().Deregister("lost"); err != nil {
		t.Fatal(err)
	}
	if err := consul.Snapshot().Restore(nil, bytes.NewReader(saved.Bytes())); err != nil {
		t.Fatal(err)
	}
	if after := w.lastIndex(t); after >= before {
		t.Errorf("the index is %d after the restore, was %d: nothing has gone backwards", after, before)
	}
	w.during(t, warmUp()+2*w.deficitFor(), func() error {
		if n := w.planned() - planned; n != 0 {
			return fmt.Errorf("%d repairs were planned after the restore", n)
		}
		return nil
	})
	if err := w.Hosts[0].Consul().Register(&api.AgentServiceRegistration{ID: "new", Name: "new.example.com", Port: 1}); err != nil {
		t.Fatal(err)
	}
	fresh := w.until(t, "every edge to see what is new", slack, func() bool {
		for _, e := range w.Edges {
			if _, err := e.Get("/fairlead/pools/new.example.com"); err != nil {
				return false
			}
		}
		return true
	})
	if err := w.Hosts[0].Consul().Deregister("new"); err != nil {
		t.Fatal(err)
	}
	w.unfailed(t, start, "while Consul was restored")
	r.healed("no repair, no request failed; a new domain is seen after %s", fresh)
	r.untended("nothing happens to it either")
}

// lastIndex is the index of the KV store and of the catalogue together.
func (w *ward) lastIndex(t *testing.T) uint64 {
	t.Helper()
	_, meta, err := w.Hosts[0].Consul().Client().KV().List("lost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return meta.LastIndex
}

// storm reloads each Consul server 100 times, which fires all watches, and changes the words of a check all the while.
func (w *ward) storm(t *testing.T, r *result) {
	consul := w.Hosts[0].Consul()
	planned, start, fired := w.planned(), w.mark(), w.firings()
	rounds := w.rounds(t)
	if err := consul.Register(&api.AgentServiceRegistration{ID: "noise", Name: "noise.example.com", Port: 1,
		Check: &api.AgentServiceCheck{CheckID: "noise", TTL: "10m", Status: api.HealthPassing}}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for n := range 100 {
		for _, h := range w.Hosts {
			if err := h.Consul().Client().Agent().Reload(); err != nil {
				t.Fatal(err)
			}
		}
		if err := consul.Client().Agent().UpdateTTL("noise", fmt.Sprintf("%d users", n), api.HealthPassing); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.Edges { // what a watch's handler asks
			if _, err := e.Get("/fairlead/healer/check"); err != nil {
				t.Fatal(err)
			}
		}
	}
	took := round(time.Since(began))
	w.until(t, "Consul's watches to have fired", slack, func() bool { return w.firings()-fired >= 100 })
	time.Sleep(2 * w.deficitFor())
	w.expectPlanned(t, planned, 0)
	if err := consul.Deregister("noise"); err != nil {
		t.Fatal(err)
	}
	n := w.firings() - fired
	w.unfailed(t, start, "in the storm")
	r.healed("300 reloads in %s fired Consul's watches %d times; no repair, %d rounds of the healers, no request failed", took, n, w.rounds(t)-rounds)
	r.untended("nothing happens to it either")
}

// rounds counts the healers' rounds.
func (w *ward) rounds(t *testing.T) (n int) {
	t.Helper()
	for i := range w.Edges {
		s, err := w.status(i)
		if err != nil {
			t.Fatal(err)
		}
		n += s.Totals.Rounds
	}
	return n
}
