package main_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// TestHostPowersOff is three hosts with an agent each, a service of three copies in one Swarm, and an edge that heals. One host loses
// its power, and comes back.
func TestHostPowersOff(t *testing.T) {
	binary := lab.Binary(t)
	keep := map[string]any{"autopilot": map[string]any{"cleanup_dead_servers": false}} // as docs/consul.md says
	l := hosts.Start(t.Context(), t, hosts.Options{Heartbeat: time.Second, Consul: keep, Boot: func(_ context.Context, h *hosts.Host) error {
		_, err := fleet.LaunchAgent(h, binary, h.Name)
		return err
	}})
	const domain = "shop.example.com"
	spec := hosts.Service("shop", 2, 0)
	spec.TaskTemplate.ContainerSpec.Labels = map[string]string{"SERVICE_NAME": domain}
	first, lost := l.Hosts[0], l.Hosts[2]
	if _, err := first.Docker().ServiceCreate(t.Context(), spec, swarm.ServiceCreateOptions{}); err != nil {
		t.Fatal(err)
	}
	port := lab.FreePort(t)
	edge := lab.StartEdge(t, healing(first.Consul().HTTP, wanted(t, domain, 3, `{"swarm": "shop"}`), "swarm unix://"+first.Socket(), impatient, port))

	// present counts the copies that are there, and how many of them stand on a host.
	present := func(on string) (n, there int) {
		entries, _, err := first.Consul().Client().Health().Service(domain, "", true, nil)
		if err != nil {
			return 0, 0 // there is no leader for a moment
		}
		for _, e := range entries {
			if e.Node.Node == on {
				there++
			}
		}
		return len(entries), there
	}
	three := func() bool { n, _ := present(""); return n == 3 }
	began := time.Now()
	soon(t, "the third copy, that the healer asks for", three)
	t.Logf("two of three to three: %v", time.Since(began))

	load := &lab.Load{Target: fmt.Sprintf("127.0.0.1:%d", port), Host: func(int64) string { return domain }, Clients: 2, Pause: 5 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { load.Run(ctx, 0) })

	began = time.Now()
	if err := lost.PowerOff(); err != nil {
		t.Fatal(err)
	}
	soon(t, "the lost host to be noticed", func() bool { n, there := present(lost.Name); return n > 0 && there == 0 })
	t.Logf("powered off to noticed: %v, %d requests failed until then", time.Since(began), load.Failed.Load())
	time.Sleep(time.Second) // what was under way at that moment
	failed := load.Failed.Load()
	soon(t, "three copies on two hosts", func() bool { n, there := present(lost.Name); return n == 3 && there == 0 })
	t.Logf("powered off to three copies again: %v", time.Since(began))

	began = time.Now()
	if err := lost.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	soon(t, "three copies, and no more", three)
	t.Logf("powered on to three copies and no more: %v", time.Since(began))
	cancel()
	running.Wait()
	if now := load.Failed.Load(); now != failed || load.OK.Load() < 100 {
		t.Errorf("%d answered, %d failed after the loss was noticed:\n%s", load.OK.Load(), now-failed, load.Failures())
	}
	if code := verdict(t, edge); code != 0 {
		t.Errorf("the check says %d", code)
	}
}
