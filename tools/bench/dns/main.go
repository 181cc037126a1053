// Command dns measures the CPU time per A question with three answers of the nameserver, CoreDNS (plugin hosts) and Consul's own
// DNS, in interleaved rounds of the same load by dnsperf over UDP.
//
//	go run ./tools/bench/dns -rounds 5 -questions 100000
//
// It needs dnsperf and builds CoreDNS from tools/coredns, and Consul unless FAIRLEAD_CONSUL names a binary. Read the ratios:
// absolute figures move with the machine. It exits with 1 where the nameserver takes more than CoreDNS.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

var (
	rounds    = flag.Int("rounds", 5, "interleaved rounds")
	questions = flag.Int("questions", 100_000, "questions of one measurement")
	check     = flag.Bool("check", true, "fail if the nameserver costs more than CoreDNS")
	serve     = flag.String("serve", "", "serve the table on this address, as the measured process does")
)

// domains is how many names are asked for in turn, each with three addresses.
const domains = 100

// subject is one nameserver under test.
type subject struct {
	name   string
	suffix string // of the names it knows: "example.com"
	addr   string
	cmd    *exec.Cmd
	cpu    []float64 // CPU seconds per 100,000 questions
	rate   []float64 // questions per second
}

func main() {
	flag.Parse()
	if *serve != "" {
		if err := serveTable(*serve); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	lab.Main("bench-dns", func(ctx context.Context, tb lab.Skipper) {
		subjects := []*subject{startFairlead(tb), startCoreDNS(tb), startConsul(tb)}
		for _, s := range subjects {
			awaitAnswers(ctx, tb, s)
			measure(tb, s, *questions/5) // warms up
			s.cpu, s.rate = nil, nil
		}
		for range *rounds {
			for _, s := range subjects {
				if ctx.Err() != nil {
					return
				}
				measure(tb, s, *questions)
			}
		}
		report(subjects)
		if ratio := lab.Median(subjects[0].cpu) / lab.Median(subjects[1].cpu); *check && ratio > 1 {
			tb.Fatalf("the nameserver takes %.2f of CoreDNS's CPU time", ratio)
		}
	})
}

var completed = regexp.MustCompile(`(?s)Queries completed:\s+(\d+) \(100\.00%\).*Response codes:\s+NOERROR \d+ \(100\.00%\).*Queries per second:\s+([0-9.]+)`)

// measure has dnsperf ask n questions, a hundred of them at a time on their way, all of which must be answered.
func measure(tb lab.TB, s *subject, n int) {
	tb.Helper()
	var names strings.Builder
	for i := range domains {
		fmt.Fprintf(&names, "s%03d.%s A\n", i, s.suffix)
	}
	file := filepath.Join(tb.TempDir(), "names")
	if err := os.WriteFile(file, []byte(names.String()), 0o600); err != nil {
		tb.Fatalf("writing the questions: %v", err)
	}
	host, port, _ := strings.Cut(s.addr, ":")
	before := cpu(tb, s)
	out, err := exec.Command("dnsperf", "-s", host, "-p", port, "-d", file, "-n", strconv.Itoa(max(1, n/domains)), "-W").CombinedOutput()
	used := cpu(tb, s) - before
	found := completed.FindStringSubmatch(string(out))
	if err != nil || found == nil {
		tb.Fatalf("dnsperf against %s: %v\n%s", s.name, err, out)
	}
	count, err1 := strconv.ParseFloat(found[1], 64)
	rate, err2 := strconv.ParseFloat(found[2], 64)
	if err1 != nil || err2 != nil || count == 0 {
		tb.Fatalf("dnsperf against %s: unexpected figures\n%s", s.name, out)
	}
	s.cpu = append(s.cpu, used.Seconds()*100_000/count)
	s.rate = append(s.rate, rate)
}

func cpu(tb lab.TB, s *subject) time.Duration {
	tb.Helper()
	used, err := lab.CPU(s.cmd.Process.Pid)
	if err != nil {
		tb.Fatalf("reading the CPU time of %s: %v", s.name, err)
	}
	return used
}

func report(subjects []*subject) {
	base := lab.Median(subjects[0].cpu)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "nameserver\tCPU-s per 100k questions, median (min to max)\tratio to fairlead\tquestions/s, median")
	for _, s := range subjects {
		median := lab.Median(s.cpu) // sorts
		fmt.Fprintf(w, "%s\t%.2f (%.2f to %.2f)\t%.2f\t%.0f\n", s.name, median, s.cpu[0], s.cpu[len(s.cpu)-1], median/base, lab.Median(s.rate))
	}
	w.Flush()
}
