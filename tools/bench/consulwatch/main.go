// Command consulwatch measures what it costs, here and in Consul, to follow a large catalog, and how soon changes are known.
//
//	go run ./tools/bench/consulwatch [-scenario all] [-services 5000] [-copies 2] [-idle 60s] [-changes 200] [-pause 0s]
//
// It starts a Consul agent of its own for each scenario (FAIRLEAD_CONSUL names the binary) and prints a table in Markdown.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

// scenario is a catalog and a way to follow it.
type scenario struct {
	name    string
	nodes   int
	watches int
	https   bool
	limit   int // the agent's http_max_conns_per_client; 0 for its default
}

var scenarios = []scenario{
	{name: "hints, 50 nodes", nodes: 50, watches: 100},
	{name: "hints, all on one node", nodes: 1, watches: 100},
	{name: "hints, 300 nodes, most asked in turn", nodes: 300, watches: 100},
	{name: "a watch for each, HTTP, limit raised", nodes: 50, watches: 6000, limit: 7000},
	{name: "a watch for each, HTTP, limit raised, all on one node", nodes: 1, watches: 6000, limit: 7000},
	{name: "a watch for each, HTTPS, limit raised", nodes: 50, watches: 6000, limit: 7000, https: true},
}

// size is how much of everything a run has.
type size struct {
	services, copies, changes int
	idle, pause               time.Duration
}

func main() {
	only := flag.String("scenario", "all", "part of the names of the scenarios to run")
	var s size
	flag.IntVar(&s.services, "services", 5000, "services in the catalog")
	flag.IntVar(&s.copies, "copies", 2, "instances of each")
	flag.IntVar(&s.changes, "changes", 200, "changes one after another, and at once")
	flag.DurationVar(&s.idle, "idle", time.Minute, "time at rest")
	flag.DurationVar(&s.pause, "pause", 0, "time between changes one after another")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, s); err != nil {
		fmt.Fprintln(os.Stderr, "consulwatch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, s size) error {
	fmt.Printf("%d services, %d instances each, %d changes %s apart, %s at rest\n\n", s.services, s.copies, s.changes, s.pause, s.idle)
	fmt.Println("| scenario | watches | first complete (s) | Consul RSS before → after (MiB) | our heap (MiB) | CPU at rest: Consul alone, with us, ours (%) " +
		"| one change: known after, median / p99 (ms) | its CPU: Consul, ours (ms) | new service, median / p99 (ms) | gone, median / p99 (ms) | all at once, p50 / p99 (ms) |")
	fmt.Println("|" + strings.Repeat("---|", 11))
	for _, one := range scenarios {
		if only != "all" && !strings.Contains(one.name, only) {
			continue
		}
		row, err := measure(ctx, one, s)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		fmt.Println(row)
	}
	return nil
}
