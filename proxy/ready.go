package proxy

import (
	"errors"
	"fmt"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Ready returns nil if a load balancer in front should send clients here, else why not. An edge is ready when its first snapshot is
// built, it is not shutting down, and the cluster of the names without a prefix has had facts; where no cluster has such names, any.
// The other clusters do not count: a test cluster that is down must not take the live one out of service. Nor does the health
// of pools: an edge without it would hand its clients to another one that sees the same.
func (e *Edge) Ready() error {
	if e.stopping.Load() {
		return errors.New("shutting down")
	}
	clusters := e.table.Load().Clusters
	if len(clusters) == 0 {
		return errors.New("the first snapshot is not built yet")
	}
	var waiting []string
	for _, c := range clusters {
		if c.Prefix == "" {
			return unready(c)
		}
		if c.Ready {
			return nil
		}
		waiting = append(waiting, c.Name)
	}
	return fmt.Errorf("none of the clusters %v has had facts yet", waiting)
}

func unready(c *pool.Cluster) error {
	if !c.Ready {
		return fmt.Errorf("cluster %s has had no facts yet", c.Name)
	}
	return nil
}

// Shutdown makes the edge not ready, for good. It goes on serving: how long clients get to go elsewhere is its caller's business.
func (e *Edge) Shutdown() { e.stopping.Store(true) }
