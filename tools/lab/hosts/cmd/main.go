// Cmd brings up a laboratory of three hosts with Fairlead on it, prints its map, and takes it away when it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

func main() {
	var o fleet.Options
	flag.IntVar(&o.Hosts, "hosts", 3, "how many hosts")
	flag.BoolVar(&o.Plain, "plain", false, "leave the engines out of Swarm mode")
	flag.BoolVar(&o.LiveRestore, "live-restore", false, "let containers outlive their engine; only with -plain")
	flag.DurationVar(&o.Heartbeat, "heartbeat", 5*time.Second, "how often a Swarm node reports")
	flag.IntVar(&o.Edges, "edges", 2, "how many edges, at most one for each host")
	bare := flag.Bool("bare", false, "no Fairlead: hosts only")
	flag.Parse()
	o.Edges = min(o.Edges, o.Hosts)
	lab.Main("fairlead-lab", func(ctx context.Context, tb lab.Skipper) {
		if *bare {
			fmt.Println(hosts.Start(ctx, tb, o.Options).Map())
		} else {
			defer lab.RemoveBinary()
			fmt.Println(start(ctx, tb, o).Map())
		}
		fmt.Println("An interrupt takes it away.")
		<-ctx.Done()
	})
}

// start brings up a fleet with its service.
func start(ctx context.Context, tb lab.TB, o fleet.Options) *fleet.Fleet {
	f := fleet.Start(ctx, tb, o)
	if o.Plain {
		return f // its healer starts the containers
	}
	shop := fleet.Service("shop", fleet.Domain, 3, 5*time.Second)
	if _, err := f.Hosts[0].Docker().ServiceCreate(ctx, shop, swarm.ServiceCreateOptions{}); err != nil {
		tb.Fatalf("starting the service: %v", err)
	}
	return f
}
