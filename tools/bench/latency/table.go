package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// bound is what a phase must keep: zero for no bound.
type bound struct {
	median, p99 time.Duration
	fromReturn  bool // counted from the return of the call, not from its beginning
}

// kept reports whether the timings keep the bound.
func (b bound) kept(timings []timing) bool {
	taken := pick(timings, func(t timing) time.Duration { return t.fromCall })
	if b.fromReturn {
		taken = pick(timings, func(t timing) time.Duration { return t.fromReturn })
	}
	return len(taken) > 0 && (b.median == 0 || lab.Quantile(taken, 0.5) <= b.median) && (b.p99 == 0 || lab.Quantile(taken, 0.99) <= b.p99)
}

// String names the bound.
func (b bound) String() string {
	from := "call"
	if b.fromReturn {
		from = "return"
	}
	if b.median == 0 {
		return fmt.Sprintf("p99 ≤ %d from %s", b.p99.Milliseconds(), from)
	}
	return fmt.Sprintf("median ≤ %d, p99 ≤ %d from %s", b.median.Milliseconds(), b.p99.Milliseconds(), from)
}

// row is a phase and what was measured in it.
type row struct {
	phase
	timings  []timing
	others   float64 // the processors' time that went to other programs, in percent
	wrong    int     // domains whose change was taken back
	strategy string  // how fairlead followed the catalogue at its end
}

func (r row) kept() bool { return r.wrong == 0 && r.bound.kept(r.timings) }

const header = `| phase (ms) | from the call: median / p99 / max | from its return: median / p99 / max | asked every, p99 | other programs' share of the processors (%) | bound | kept | taken back | followed by |
|---|---|---|---|---|---|---|---|---|`

func (r row) String() string {
	kept := "yes"
	if !r.kept() {
		kept = "**no**"
	}
	resolution := pick(r.timings, func(t timing) time.Duration { return t.resolution })
	return fmt.Sprintf("| %s | %s | %s | %.1f | %.0f | %s | %s | %d | %s |", r.name,
		lab.Quantiles(pick(r.timings, func(t timing) time.Duration { return t.fromCall })),
		lab.Quantiles(pick(r.timings, func(t timing) time.Duration { return t.fromReturn })),
		lab.Milliseconds(lab.Quantile(resolution, 0.99)), r.others, r.bound, kept, r.wrong, cmp.Or(r.strategy, "?"))
}

func pick(timings []timing, which func(timing) time.Duration) []time.Duration {
	out := make([]time.Duration, 0, len(timings))
	for _, t := range timings {
		out = append(out, which(t))
	}
	return out
}
