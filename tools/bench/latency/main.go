// Command latency measures how soon a registration is served and a deregistration no longer is, through a real Consul agent and a
// real fairlead process: from the call to the agent to the first 200 for the domain, and to the last one.
//
//	go run ./tools/bench/latency [-domains 500] [-services 0] [-check=false]
//
// It starts both itself (FAIRLEAD_CONSUL and FAIRLEAD_BINARY name ready binaries), prints a table in Markdown, and exits with 1 where
// a bound is missed. It wants a machine to itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

var (
	domains    = flag.Int("domains", 500, "domains registered one after another, and at once")
	registrars = flag.Int("registrars", 8, "clients that register at once, each on a kept-alive connection")
	pause      = flag.Duration("pause", 500*time.Microsecond, "between two requests of a polling client")
	services   = flag.Int("services", 0, "other services in the catalogue, two instances each, on -nodes nodes")
	nodes      = flag.Int("nodes", 50, "nodes that the other services are on")
	persistent = flag.Bool("persistent", false, "have Consul keep its catalogue on disk")
	check      = flag.Bool("check", true, "exit with 1 where a bound is missed")
)

// The bounds: of changes one after another from the beginning of the call, of changes at once from its return.
var (
	turnBound = bound{median: 30 * time.Millisecond, p99: 150 * time.Millisecond}
	onceBound = bound{p99: 500 * time.Millisecond, fromReturn: true}
)

// phase is a part of the run.
type phase struct {
	name   string
	prefix string // of its domains
	run    func(*stage, context.Context, change, []string) ([]timing, error)
	what   change
	bound  bound
}

var phases = []phase{
	{"registered one after another", "d", (*stage).inTurn, come, turnBound},
	{"deregistered one after another", "d", (*stage).inTurn, gone, turnBound},
	{"registered at once", "b", (*stage).atOnce, come, onceBound},
	{"deregistered at once", "b", (*stage).atOnce, gone, onceBound},
}

func main() {
	flag.Parse()
	if min(*domains, *registrars, *nodes) < 1 || *services < 0 {
		fmt.Fprintln(os.Stderr, "latency: -domains, -registrars and -nodes are 1 or more, -services 0 or more")
		os.Exit(2)
	}
	missed := false
	lab.Main("bench-latency", func(ctx context.Context, tb lab.Skipper) {
		tb.Cleanup(lab.RemoveBinary)
		s := newStage(ctx, tb)
		fmt.Printf("%d domains; %d other instances in the catalogue, %d of them on the agent's node\n\n%s\n", *domains, s.filled, *domains+spare, header)
		for _, p := range phases {
			r, err := s.run(ctx, p)
			if err != nil {
				tb.Fatalf("%s: %v", p.name, err)
			}
			fmt.Println(r)
			missed = missed || !r.kept()
		}
		odd, some := s.odd()
		fmt.Printf("\nAnswers other than 200 and 404: %s\n", odd)
		missed = missed || some
	})
	if *check && missed {
		fmt.Fprintln(os.Stderr, "latency: a bound is missed, or there were other answers")
		os.Exit(1)
	}
}

// rest is the time between two phases: longer than the window in which departures make a mass, so that those of one phase do not
// count in the next.
const rest = 3 * time.Second

// run runs a phase. A domain that is held as part of a mass never goes, so that this is looked for even where the phase has failed.
func (s *stage) run(ctx context.Context, p phase) (row, error) {
	r := row{phase: p}
	domains := names(p.prefix)
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case <-time.After(rest):
	}
	before, err := lab.ReadProcessors()
	if err != nil {
		return r, err
	}
	if r.timings, err = p.run(s, ctx, p.what, domains); err == nil {
		r.wrong = s.verify(p.what, domains)
	}
	after, unread := lab.ReadProcessors()
	r.others = after.Others(before)
	var held error
	r.strategy, held = s.unheld()
	return r, errors.Join(err, unread, held)
}

// names returns the domains of a phase.
func names(prefix string) []string {
	out := make([]string, *domains)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d.example.com", prefix, i)
	}
	return out
}
