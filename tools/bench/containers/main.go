// Command containers measures how soon a container that starts is registered and served, how soon a killed one is not served any more,
// and what it costs while nothing changes: with a real Docker engine, a real Consul agent, a `fairlead agent` and a `fairlead run`.
//
//	go run ./tools/bench/containers [-starts 50] [-interval 1s] [-containers 500] [-rest 2m] [-check=false]
//
// It starts all but the engine itself (FAIRLEAD_CONSUL and FAIRLEAD_BINARY name ready binaries), removes its containers and its image at
// the end and when it is interrupted, prints tables in Markdown, and exits with 1 where a bound is missed. It wants a machine to itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
)

// size is how much of everything a run has.
type size struct {
	starts, containers int
	interval, rest     time.Duration
}

func main() {
	var o size
	flag.IntVar(&o.starts, "starts", 50, "containers started and killed one after another in each part")
	flag.DurationVar(&o.interval, "interval", time.Second, "of the check of those that have one")
	flag.IntVar(&o.containers, "containers", 500, "containers that nothing happens to")
	flag.DurationVar(&o.rest, "rest", 2*time.Minute, "for how long nothing happens to them")
	check := flag.Bool("check", true, "exit with 1 where a bound is missed")
	flag.Parse()
	if min(o.starts, o.containers) < 1 || min(o.interval, o.rest) <= 0 {
		fmt.Fprintln(os.Stderr, "containers: all of -starts, -containers, -interval and -rest are more than 0")
		os.Exit(2)
	}
	missed := false
	lab.Main("bench-containers", func(ctx context.Context, tb lab.Skipper) {
		tb.Cleanup(lab.RemoveBinary)
		binary, err := consul.Binary()
		if err != nil {
			tb.Fatalf("%v", err)
		}
		missed = !measure(ctx, tb, engine.NewReal(tb), binary, o)
	})
	if *check && missed {
		fmt.Fprintln(os.Stderr, "containers: a bound is missed")
		os.Exit(1)
	}
}

// measure runs all parts, prints what they give as they end, and reports whether all bounds are kept.
func measure(ctx context.Context, tb lab.TB, e *engine.Real, binary string, o size) (kept bool) {
	version, err := e.ServerVersion(ctx)
	if err != nil {
		tb.Fatalf("asking for the engine's version: %v", err)
	}
	image := e.Image(tb, "serve", "8080")
	e.Clean(tb, label+"="+e.Suffix)
	fmt.Printf("Docker Engine %s; %d containers in each part, one after another; each domain is asked for again %s after an answer\n\n%s\n",
		version.Version, o.starts, pause, header)
	kept = true
	for _, p := range parts(o.interval) {
		rows, err := p.measure(ctx, tb, &stage{Real: e, image: image, consul: binary}, o.starts)
		if err != nil {
			tb.Fatalf("%s: %v", p.name, err)
		}
		for _, r := range rows {
			fmt.Println(r)
			kept = kept && r.kept()
		}
	}
	still, err := measureRest(ctx, tb, binary, o)
	if err != nil {
		tb.Fatalf("at rest: %v", err)
	}
	fmt.Print("\n", still)
	return kept && still.kept()
}
