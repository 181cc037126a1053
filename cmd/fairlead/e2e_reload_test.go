package main_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

const reloads = 60

// reloadUnderLoad reloads e again and again while one load makes a connection for every request and another keeps its
// connections, and returns both.
func reloadUnderLoad(t *testing.T, e *lab.Edge, target string) (fresh, kept *lab.Load) {
	t.Helper()
	shop := func(int64) string { return "shop.example.com" }
	fresh = &lab.Load{Target: target, Host: shop, Clients: 4, Fresh: true}
	kept = &lab.Load{Target: target, Host: shop, Clients: 8}
	ctx, cancel := context.WithCancel(t.Context())
	var loads sync.WaitGroup
	loads.Go(func() { fresh.Run(ctx, 0) })
	loads.Go(func() { kept.Run(ctx, 0) })
	for range reloads {
		time.Sleep(50 * time.Millisecond)
		if err := e.Reload(); err != nil {
			t.Errorf("reloading: %v", err)
			break
		}
	}
	time.Sleep(200 * time.Millisecond)
	cancel()
	loads.Wait()
	return fresh, kept
}

func TestReloadsUnderLoadFailNothing(t *testing.T) {
	backend := lab.StartBackend(t, "shop", nil)
	file := writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {backend}})
	port, stockPort := lab.FreePort(t), lab.FreePort(t)
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster live {
			file %s
		}
	}
}
http://:%d {
	fairlead
}
`, file, port))
	fresh, kept := reloadUnderLoad(t, e, fmt.Sprintf("127.0.0.1:%d", port))

	stock := lab.StartStock(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
}
http://:%d {
	reverse_proxy %s
}
`, stockPort, backend.Addr()))
	stockFresh, stockKept := reloadUnderLoad(t, stock, fmt.Sprintf("127.0.0.1:%d", stockPort))

	for _, row := range []struct {
		name string
		load *lab.Load
	}{{"fairlead, new connections", fresh}, {"fairlead, kept connections", kept}, {"stock Caddy, new connections", stockFresh}, {"stock Caddy, kept connections", stockKept}} {
		t.Logf("%d reloads, %s: %d answered, %d failed", reloads, row.name, row.load.OK.Load(), row.load.Failed.Load())
	}
	if fresh.OK.Load() < reloads || kept.OK.Load() < reloads {
		t.Fatal("the load was too small to show anything")
	}
	if fresh.Failed.Load() != 0 || kept.Failed.Load() != 0 {
		t.Errorf("reloads failed requests:\n%s\n%s", fresh.Failures(), kept.Failures())
	}
}
