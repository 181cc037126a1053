// Command http measures what a proxied request costs in Fairlead, by each of its engines, and in other proxies: CPU time, latency
// and memory, in interleaved rounds of the same load.
//
//	go run ./tools/bench/http -rounds 5 -seconds 3
//
// It needs nginx (the members are one), wrk and h2load; haproxy, traefik and envoy are measured where they are. It prints Markdown.
// Read the ratios: absolute figures move with the machine. docs/performance.md says more.
package main

import (
	"context"
	"flag"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

var (
	rounds    = flag.Int("rounds", 5, "interleaved rounds")
	seconds   = flag.Int("seconds", 3, "length of one measurement")
	members   = flag.Int("members", 3, "members behind each proxy")
	domains   = flag.Int("domains", 10_000, "domains in Fairlead's catalogue")
	rate      = flag.Int("rate", 8000, "requests per second of the scenario rate")
	idle      = flag.Int("idle", 1000, "connections of the scenarios idle and idle-tls")
	choice    = flag.String("scenarios", "", "the scenarios to measure, by commas (all)")
	proxies   = flag.String("peers", "", "the proxies to measure, by commas (all that are here)")
	check     = flag.Bool("check", true, "exit with 1 if a bound is missed")
	profileTo = flag.String("profile", "", "write a CPU profile of Fairlead under these loads to this file, for building it; the figures are higher meanwhile")
	programs  = given{}
)

func main() {
	flag.Var(programs, "peer", "NAME=PROGRAM: the program of a proxy (traefik=/opt/traefik), or FOLDER=PROGRAM: one more proxy, whose configuration is in that folder (./mine=/opt/mine); may be repeated")
	flag.Parse()
	lab.Main("bench-http", func(ctx context.Context, tb lab.Skipper) {
		defer lab.RemoveBinary()
		wanted, err := choose(*choice)
		if err != nil {
			tb.Fatalf("%v", err)
		}
		if *rate%rateClients != 0 {
			tb.Fatalf("%d requests a second cannot be shared by %d clients", *rate, rateClients)
		}
		peers := choosePeers(tb, *proxies, programs)
		s := newSettings(tb, *members, *domains)
		startMembers(ctx, tb, s)
		var titles []string
		for _, p := range peers {
			titles = append(titles, p.title(ctx, s.at(tb)))
		}
		printMachine(titles)
		var taken *profiles
		if *profileTo != "" {
			taken = new(profiles)
		}
		of := map[string]samples{}
		for _, one := range scenarios() {
			if wanted[one.name] {
				of[one.name] = measureLoad(ctx, tb, one, peers, s, *rounds, time.Duration(*seconds)*time.Second, taken)
			}
		}
		if taken != nil {
			taken.merge(tb, *profileTo)
		}
		measureIdle(ctx, tb, peers, s.with(tb, 1), wanted, of)
		if missed := printBounds(of); missed > 0 && *check {
			tb.Fatalf("%d bounds are missed", missed)
		}
	})
}

// measureLoad starts the peers, makes sure that they serve the same, and measures them in turn.
func measureLoad(ctx context.Context, tb lab.TB, one scenario, peers []*peer, s settings, rounds int, d time.Duration, taken *profiles) samples {
	runs := map[string]*process{}
	for _, p := range peers {
		runs[p.name] = p.start(ctx, tb, s)
		defer runs[p.name].stop()
		if err := verify(ctx, runs[p.name]); err != nil {
			tb.Fatalf("%s does not serve as it should: %v", p.name, err)
		}
		measure(ctx, tb, one, runs[p.name], time.Second) // warms up
	}
	before, err := lab.ReadProcessors()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	out := samples{}
	for range rounds {
		for _, p := range peers {
			wait := taken.during(ctx, runs[p.name], d)
			out[p.name] = append(out[p.name], measure(ctx, tb, one, runs[p.name], d))
			if err := wait(); err != nil {
				tb.Fatalf("taking a profile of %s: %v", p.name, err)
			}
		}
	}
	after, err := lab.ReadProcessors()
	if err != nil {
		tb.Fatalf("%v", err)
	}
	printLoad(one.title, peers, out, after.Others(before))
	return out
}

// measure loads a peer once.
func measure(ctx context.Context, tb lab.TB, one scenario, r *process, d time.Duration) sample {
	before, err := r.cpu()
	if err != nil {
		tb.Fatalf("reading the CPU time of %s: %v", r.name, err)
	}
	got, err := one.load(ctx, r, one.door(r), d)
	if err != nil {
		tb.Fatalf("loading %s: %v\n%s", r.name, err, r.log())
	}
	after, err1 := r.cpu()
	bytes, err2 := r.memory()
	if err1 != nil || err2 != nil {
		tb.Fatalf("reading the CPU time and memory of %s: %v, %v", r.name, err1, err2)
	}
	return sample{cpu: (after - before).Seconds() / float64(got.requests) * 1e5, rates: float64(got.requests) / got.took.Seconds(),
		p50: got.p50.Seconds() * 1e3, p99: got.p99.Seconds() * 1e3, memory: float64(bytes) / (1 << 20)}
}
