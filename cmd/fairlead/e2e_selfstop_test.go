package main_test

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/engine"
)

// TestCopiesStopThemselvesWithoutALeader: a host that is cut off from Consul stops the containers that asked for it, and no other, and none
// because Consul was started again.
func TestCopiesStopThemselvesWithoutALeader(t *testing.T) {
	e := engine.NewReal(t)
	image := e.Image(t, "serve", "8080")
	e.Clean(t, "test="+e.Suffix)
	agent := consul.Start(t, consul.Options{Persistent: true})
	startAgent(t, agent)
	const after = 10 * time.Second
	asking := runContainer(t, e, image, "asking-"+e.Suffix+".example.com", "SERVICE_SELF_STOP=10s")
	other := runContainer(t, e, image, "other-"+e.Suffix+".example.com")
	runs := func(id string) bool {
		found, err := e.ContainerInspect(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return found.State.Running
	}
	registered := func() bool {
		entries, _, err := agent.Client().Health().Service("asking-"+e.Suffix+".example.com", "", true, nil)
		return err == nil && len(entries) == 1 && entries[0].Service.Meta["self_stop"] == "10s"
	}
	soon(t, "the registration", registered)
	time.Sleep(3 * time.Second) // the leader is asked for every second

	agent.Kill()
	time.Sleep(after / 2)
	if err := agent.Restart(); err != nil {
		t.Fatal(err)
	}
	soon(t, "the registration after a restart of Consul", registered)
	time.Sleep(after)
	if !runs(asking) {
		t.Fatal("a restart of Consul has stopped the container")
	}

	if err := agent.Pause(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	soon(t, "the stop", func() bool { return !runs(asking) })
	took := time.Since(began)
	t.Logf("cut off to stopped: %v", took)
	if took < after || !runs(other) {
		t.Errorf("stopped after %v, want %v at least; the other container runs: %t", took, after, runs(other))
	}
	if err := agent.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := agent.WaitLeader(time.Minute); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // until then a container that starts would be stopped as well
	if err := e.ContainerStart(t.Context(), asking, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the registration of a new life", registered)
	time.Sleep(after / 2)
	if !runs(asking) {
		t.Error("it was stopped again although Consul is back")
	}
}
