package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// bases are the peers to which ratios are given.
var bases = []string{"nginx", "haproxy", "caddy"}

// printMachine says what is measured, where and when.
func printMachine(titles []string) {
	model := "unknown processors"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.Trim(line, "\t :")
		}
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	fmt.Printf("%s: %d processors (%s), Linux %s, %s, loopback. %d rounds of %d s, %d members, %d domains in Fairlead.\nPeers in turn: %s.\nLoad: %s, %s.\n",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version(), *rounds, *seconds, *members, *domains,
		strings.Join(titles, ", "), firstLine("wrk", "-v"), firstLine("h2load", "--version"))
}

// firstLine is what a program says of its version, up to a bracket.
func firstLine(name string, args ...string) string {
	out, _ := exec.Command(name, args...).CombinedOutput() // wrk ends with 1 after its version
	line, _, _ := strings.Cut(string(out), "\n")
	line, _, _ = strings.Cut(line, " [")
	return strings.TrimSpace(line)
}

// printLoad prints the table of a scenario that loads.
func printLoad(title string, peers []*peer, s samples, others float64) {
	fmt.Printf("\n### %s\n\nOther programs' share of the processors: %.0f %%.\n\n", title, others)
	fmt.Println("| proxy | CPU s per 100k requests, median (min to max) | × nginx | × HAProxy | × Caddy | requests/s | p50 ms | p99 ms | memory MiB |\n|---|---|---|---|---|---|---|---|---|")
	for _, p := range peers {
		all := s.all(p.name, cpu)
		if len(all) == 0 {
			continue
		}
		fmt.Printf("| %s | %.2f (%.2f to %.2f) |", p.name, s.median(p.name, cpu), slices.Min(all), slices.Max(all))
		for _, base := range bases {
			fmt.Printf(" %s |", ratioText(s, p.name, base, cpu))
		}
		fmt.Printf(" %.0f | %.2f | %.2f | %.0f |\n", s.median(p.name, rates), s.median(p.name, p50), s.median(p.name, p99), s.median(p.name, memory))
	}
}

func ratioText(s samples, peer, base string, f figure) string {
	if r, ok := s.ratio(peer, base, f); ok {
		return fmt.Sprintf("%.2f", r)
	}
	return "-"
}

// printIdle prints the table of the memory that idle connections take.
func printIdle(n int, peers []*peer, plain, ended samples) {
	fmt.Printf("\n### Memory of %d idle connections, each used once, one domain in Fairlead\n\n", n)
	fmt.Println("| proxy | KiB per connection, median (min to max) | by TLS | memory without them, MiB |\n|---|---|---|---|")
	for _, p := range peers {
		fmt.Printf("| %s | %s | %s | %s |\n", p.name, spread(plain, p.name), spread(ended, p.name), before(p.name, plain, ended))
	}
}

func spread(s samples, peer string) string {
	all := s.all(peer, each)
	if len(all) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f (%.1f to %.1f)", lab.Median(all), slices.Min(all), slices.Max(all))
}

func before(peer string, of ...samples) string {
	var all []float64
	for _, s := range of {
		all = append(all, s.all(peer, memory)...)
	}
	return fmt.Sprintf("%.0f", lab.Median(all))
}

// printBounds prints the bounds whose figures were measured, and returns how many are missed.
func printBounds(of map[string]samples) (missed int) {
	head := "\n### Bounds\n\n| proxy | scenario | figure | measured | at most | kept |\n|---|---|---|---|---|---|\n"
	for _, b := range bounds() {
		value, ok := b.value(of)
		if !ok {
			continue
		}
		fmt.Print(head)
		head = ""
		kept, unit := "yes", ""
		if value > b.most {
			kept = "**no**"
			missed++
		}
		if b.beside != "" {
			unit = " × " + b.beside
		}
		fmt.Printf("| %s | %s | %s | %.2f%s | %.2f | %s |\n", b.peer, b.scenario, b.figure, value, unit, b.most, kept)
	}
	return missed
}
