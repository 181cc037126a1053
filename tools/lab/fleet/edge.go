package fleet

import (
	"fmt"
	"os"

	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// Edge is a `fairlead run` at the edge.
type Edge struct {
	*lab.Edge
	Port int
	// Host is the one whose Consul it follows and whose engine it heals through.
	Host *hosts.Host
}

// Addr returns host:port of its HTTP listener.
func (e *Edge) Addr() string { return fmt.Sprintf("127.0.0.1:%d", e.Port) }

func (f *Fleet) startEdge(h *hosts.Host) *Edge {
	runtime := "runtime swarm " + f.engine(h)
	if f.options.Plain {
		runtime = fmt.Sprintf("runtime docker %s {\n\t\t\t\tnode %s\n\t\t\t}", f.engine(h), h.Name)
	}
	port := lab.FreePort(f.tb)
	cluster := fmt.Sprintf("consul %s {\n\t\t\t\t%s\n\t\t\t}", h.Consul().HTTP, f.options.Follow)
	return &Edge{Port: port, Host: h, Edge: f.StartEdge(Caddyfile(port, cluster, fmt.Sprintf("desired %s\n\t\t\t%s\n\t\t\t%s", f.Desired, runtime, f.options.Heal)))}
}

// StartEdge starts one more edge, with a configuration of its own.
func (f *Fleet) StartEdge(caddyfile string) *lab.Edge {
	f.tb.Helper()
	return lab.StartEdge(within{f.tb, f.Dir}, caddyfile)
}

// Caddyfile is the configuration of an edge: where it listens, and the lines of its cluster and of what it heals.
func Caddyfile(port int, cluster, heal string) string {
	return fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	fairlead {
		cluster live {
			%s
		}
		heal {
			%s
		}
		drain_delay 0
	}
}
http://:%d {
	fairlead
}
`, cluster, heal, port)
}

// within is a TB whose temporary folders go with the laboratory's, also with one that was killed.
type within struct {
	lab.TB
	dir string
}

func (w within) TempDir() string {
	dir, err := os.MkdirTemp(w.dir, "edge")
	if err != nil {
		w.Fatalf("making an edge's folder: %v", err)
	}
	return dir
}
