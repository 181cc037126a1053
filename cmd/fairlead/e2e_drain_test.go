package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// TestHostIsDrained is three hosts with an agent each and two services in one Swarm. One host is emptied for an upgrade under
// load, copy by copy, is rebooted, and comes back: no request fails, and never are fewer copies present than must stay.
func TestHostIsDrained(t *testing.T) {
	binary := lab.Binary(t)
	l := hosts.Start(t.Context(), t, hosts.Options{Boot: func(_ context.Context, h *hosts.Host) error {
		_, err := fleet.LaunchAgent(h, binary, h.Name)
		return err
	}})
	const shop, single = "shop.example.com", "single.example.com"
	first, drained := l.Hosts[0], l.Hosts[1]
	shopSpec := hosts.Service("shop", 3, 0)
	shopSpec.TaskTemplate.ContainerSpec.Labels = map[string]string{"SERVICE_NAME": shop}
	singleSpec := hosts.Service("single", 1, 0)
	singleSpec.TaskTemplate.ContainerSpec.Labels = map[string]string{"SERVICE_NAME": single}
	singleSpec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.hostname!=" + first.Name}}
	for _, spec := range []swarm.ServiceSpec{shopSpec, singleSpec} {
		if _, err := first.Docker().ServiceCreate(t.Context(), spec, swarm.ServiceCreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	desired := filepath.Join(t.TempDir(), "desired.json")
	text := fmt.Sprintf(`{"services": [{"domain": %q, "count": 3, "run": {"swarm": "shop"}},
		{"domain": %q, "count": 1, "singleton": true, "run": {"swarm": "single"}}]}`, shop, single)
	if err := os.WriteFile(desired, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	port := lab.FreePort(t)
	edge := lab.StartEdge(t, healing(first.Consul().HTTP, desired, "swarm unix://"+first.Socket(), strings.Replace(impatient, "verify 3s", "verify 30s", 1), port))
	address := "--address=" + strings.TrimPrefix(edge.Admin, "http://")

	// present counts the copies of a service, and how many of them stand on a host.
	present := func(domain, on string) (n, there int) {
		entries, _, err := first.Consul().Client().Health().Service(domain, "", true, nil)
		if err != nil {
			return 0, 0
		}
		for _, e := range entries {
			if e.Node.Node == on {
				there++
			}
		}
		return len(entries), there
	}
	soon(t, "all copies", func() bool {
		shops, _ := present(shop, "")
		singles, _ := present(single, "")
		return shops == 3 && singles == 1
	})
	if _, there := present(single, drained.Name); there != 1 { // it may be on either of two
		drained = l.Hosts[2]
	}
	if _, there := present(shop, drained.Name); there == 0 {
		t.Fatalf("nothing of %s is on %s", shop, drained.Name)
	}

	load := &lab.Load{Target: fmt.Sprintf("127.0.0.1:%d", port), Host: func(int64) string { return shop }, Clients: 2, Pause: 5 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { load.Run(ctx, 0) })
	least := 3
	running.Go(func() {
		for ctx.Err() == nil {
			if n, _ := present(shop, ""); n > 0 {
				least = min(least, n)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})

	// The singleton blocks it, in words that say so; what can be moved is.
	out, err := run(t, "host", "drain", drained.Name, "--reason", "new kernel", "--author", "ann", "--timeout", "60s", address)
	if err == nil || !strings.Contains(out, "only a forced drain goes below") || !strings.Contains(out, "the order goes on") {
		t.Errorf("a drain past a singleton: %v\n%s", err, out)
	}
	if _, there := present(shop, drained.Name); there > 0 {
		t.Errorf("%d copies of %s are on %s still\n%s", there, shop, drained.Name, out)
	}
	if _, there := present(single, drained.Name); there != 1 {
		t.Errorf("the singleton was moved\n%s", out)
	}
	began := time.Now()
	out, err = run(t, "host", "drain", drained.Name, "--reason", "new kernel", "--author", "ann", "--force", "--timeout", "120s", address)
	if err != nil || !strings.Contains(out, "drained by force") {
		t.Errorf("a forced drain: %v\n%s", err, out)
	}
	t.Logf("forced, the singleton has moved after %v", time.Since(began))
	if tasks := runningOn(t, first, drained); tasks > 0 {
		t.Errorf("%d tasks run on it still", tasks)
	}
	if out, err := run(t, "host", "list", address); err != nil || !strings.Contains(out, "empty") || !strings.Contains(out, "ann") {
		t.Errorf("%v\n%s", err, out)
	}
	if n, there := present(shop, drained.Name); n != 3 || there != 0 {
		t.Errorf("%d copies, %d of them on the drained host", n, there)
	}

	if err := drained.PowerOff(); err != nil {
		t.Fatal(err)
	}
	if err := drained.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	soon(t, "the host to be up again", func() bool { return availability(first, drained) == "ready pause" })
	if out, err := run(t, "host", "undrain", drained.Name, "--timeout", "120s", address); err != nil || !strings.Contains(out, "may be used again") {
		t.Errorf("ending it: %v\n%s", err, out)
	}
	if got := availability(first, drained); got != "ready active" {
		t.Errorf("the node is %s", got)
	}
	cancel()
	running.Wait()
	t.Logf("%d requests answered, %d failed; at least %d copies present", load.OK.Load(), load.Failed.Load(), least)
	if load.Failed.Load() > 0 || load.OK.Load() < 100 {
		t.Errorf("%d answered, %d failed:\n%s", load.OK.Load(), load.Failed.Load(), load.Failures())
	}
	if least < 2 {
		t.Errorf("only %d copies were present at times, and 2 must be", least)
	}
	soon(t, "a good verdict", func() bool { return verdict(t, edge) == 0 })
}

// runningOn counts the tasks that run on a host.
func runningOn(t *testing.T, manager, h *hosts.Host) (n int) {
	t.Helper()
	tasks, err := manager.Docker().TaskList(t.Context(), swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("node", h.Name), filters.Arg("desired-state", "running"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if task.Status.State == swarm.TaskStateRunning {
			n++
		}
	}
	return n
}

// availability is what Swarm says of a host's node, state and availability.
func availability(manager, h *hosts.Host) string {
	n, _, err := manager.Docker().NodeInspectWithRaw(context.Background(), h.Name)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s", n.Status.State, n.Spec.Availability)
}
