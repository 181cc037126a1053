package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// TestRestartOfDomainsAtOneAddress: many domains of one container are confirmed one after another when the edge starts again. None
// of them may be refused for it.
func TestRestartOfDomainsAtOneAddress(t *testing.T) {
	agent := consul.Start(t, consul.Options{})
	port := lab.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	e := lab.StartEdge(t, consulEdge(port, agent))
	backend := lab.StartBackend(t, "a", nil)
	var hosts, ids []string
	for n := range 60 {
		hosts = append(hosts, fmt.Sprintf("d%d.example.com", n))
		ids = append(ids, register(t, agent, hosts[n], backend))
	}
	waitStatus(t, addr, hosts[len(hosts)-1], 200)
	waitSaved(t, e, "live", ids...)
	for range 3 {
		e.Kill()
		if err := e.Launch(); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); status(addr, hosts[0]) == 0 && time.Since(began) < 20*time.Second; {
			time.Sleep(time.Millisecond) // nobody listens yet
		}
		load := &lab.Load{Target: addr, Clients: 4, Host: func(n int64) string { return hosts[int(n)%len(hosts)] }}
		load.Run(t.Context(), 2000)
		if load.Failed.Load() != 0 {
			t.Fatalf("after a restart %d requests were answered, %d failed:\n%s", load.OK.Load(), load.Failed.Load(), load.Failures())
		}
	}
}

// TestMassOfDomainsAtOneAddress: most domains of one container vanish at once. They are held, and those that are left stood beside them
// before; only somebody who comes to the address afterwards takes it from them.
func TestMassOfDomainsAtOneAddress(t *testing.T) {
	agent := consul.Start(t, consul.Options{})
	port := lab.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	lab.StartEdge(t, consulEdge(port, agent))
	backend := lab.StartBackend(t, "a", nil)
	var hosts, ids []string
	for n := range 10 {
		hosts = append(hosts, fmt.Sprintf("d%d.example.com", n))
		ids = append(ids, register(t, agent, hosts[n], backend))
	}
	waitStatus(t, addr, hosts[len(hosts)-1], 200)
	time.Sleep(2500 * time.Millisecond) // longer than the window in which departures make a mass, and arrivals are new
	for _, id := range ids[2:] {
		if err := agent.Deregister(id); err != nil {
			t.Fatal(err)
		}
	}
	waitStatus(t, addr, hosts[len(hosts)-1], 200) // the first ones to go went for a moment
	time.Sleep(300 * time.Millisecond)
	for _, host := range hosts {
		if got := status(addr, host); got != 200 {
			t.Errorf("%s answers %d", host, got)
		}
	}
	register(t, agent, "new.example.com", backend)
	waitStatus(t, addr, "new.example.com", 200)
	for _, host := range hosts[2:] {
		waitStatus(t, addr, host, 503)
	}
	for _, host := range append(hosts[:2:2], "new.example.com") {
		if got := status(addr, host); got != 200 {
			t.Errorf("%s, which is registered, answers %d", host, got)
		}
	}
}
