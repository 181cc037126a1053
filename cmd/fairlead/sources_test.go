package main_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/tools/lab"
)

// doubtsOf returns what GET /fairlead/sources tells of the doubts of a cluster, those of its sources among them.
func doubtsOf(t *testing.T, e *lab.Edge, cluster string) []discovery.Doubt {
	t.Helper()
	var page struct {
		Clusters []struct {
			Cluster string
			Doubts  []discovery.Doubt
			Sources []discovery.SourceStatus
		}
	}
	if err := e.GetJSON("/fairlead/sources", &page); err != nil {
		t.Fatal(err)
	}
	for _, c := range page.Clusters {
		if c.Cluster != cluster {
			continue
		}
		all := c.Doubts
		for _, source := range c.Sources {
			all = append(all, source.Doubts...)
		}
		return all
	}
	t.Fatalf("/fairlead/sources does not tell of cluster %s", cluster)
	return nil
}

// waitDoubt asks until a doubt of the cluster has the words in its reason, and returns how long that took.
func waitDoubt(t *testing.T, e *lab.Edge, cluster, words string) time.Duration {
	t.Helper()
	return waitDoubts(t, e, cluster, "a doubt with "+words, func(all []discovery.Doubt) bool {
		return slices.ContainsFunc(all, func(d discovery.Doubt) bool { return strings.Contains(d.Reason, words) })
	})
}

// waitCertain asks until nothing of the cluster is in doubt, and returns how long that took.
func waitCertain(t *testing.T, e *lab.Edge, cluster string) time.Duration {
	t.Helper()
	return waitDoubts(t, e, cluster, "no doubt", func(all []discovery.Doubt) bool { return len(all) == 0 })
}

func waitDoubts(t *testing.T, e *lab.Edge, cluster, what string, arrived func([]discovery.Doubt) bool) time.Duration {
	t.Helper()
	began := time.Now()
	var all []discovery.Doubt
	for time.Since(began) < 30*time.Second {
		if all = doubtsOf(t, e, cluster); arrived(all) {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("cluster %s has not come to %s, but to %+v", cluster, what, all)
	return 0
}

// membersUp returns how many members of a pool take traffic.
func membersUp(t *testing.T, e *lab.Edge, pool string) int {
	t.Helper()
	var page struct{ Pools []struct{ Up int } }
	if err := e.GetJSON("/fairlead/pools?prefix="+pool, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Pools) != 1 {
		t.Fatalf("%d pools begin with %s", len(page.Pools), pool)
	}
	return page.Pools[0].Up
}

// waitSaved waits until the snapshot file of a cluster has the words in it.
func waitSaved(t *testing.T, e *lab.Edge, cluster string, words ...string) {
	t.Helper()
	file := filepath.Join(e.Dir, "data", "caddy", "fairlead", "catalog-"+cluster+".json")
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if err == nil && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(string(text), word) }) {
			return
		}
	}
	t.Fatalf("%s has not got %q", file, words)
}

// underLoad asks for the hosts in turn, over kept connections, until the function it returns is called. That one fails the test if
// any request failed.
func underLoad(t *testing.T, addr string, hosts ...string) (stop func()) {
	t.Helper()
	load := &lab.Load{
		Target: addr, Clients: 2, Pause: 2 * time.Millisecond,
		Host: func(n int64) string { return hosts[int(n)%len(hosts)] },
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { load.Run(ctx, 0) })
	return func() {
		t.Helper()
		cancel()
		running.Wait()
		t.Logf("%d requests answered, %d failed", load.OK.Load(), load.Failed.Load())
		if load.Failed.Load() != 0 || load.OK.Load() < 50 {
			t.Errorf("%d requests answered, %d failed:\n%s", load.OK.Load(), load.Failed.Load(), load.Failures())
		}
	}
}
