package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// result is what was seen of one fault in one laboratory.
type result struct {
	fault  *fault
	with   []string // what became of the service that is healed
	alone  []string // what became of the other
	failed bool
	took   time.Duration
}

func (r *result) healed(format string, args ...any) {
	r.with = append(r.with, fmt.Sprintf(format, args...))
}
func (r *result) untended(format string, args ...any) {
	r.alone = append(r.alone, fmt.Sprintf(format, args...))
}

// book keeps the results of all laboratories.
type book struct {
	mu   sync.Mutex
	rows []*result
}

var results book

func (b *book) add(r *result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, r)
}

// table returns the results as docs/verification.md has them.
func (b *book) table(took time.Duration) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rows) == 0 {
		return ""
	}
	slices.SortStableFunc(b.rows, func(x, y *result) int { return cmp.Compare(x.fault.number, y.fault.number) })
	var s strings.Builder
	fmt.Fprintf(&s, "\nTimers divided by %g, %s in all.\n\n", *shorten, took.Round(time.Second))
	fmt.Fprintln(&s, "| # | fault | held | with the healer | without |\n|---|---|---|---|---|")
	for _, r := range b.rows {
		held := "yes"
		if r.failed {
			held = "NO"
		}
		fmt.Fprintf(&s, "| %d | %s | %s | %s | %s |\n", r.fault.number, r.fault.name, held, strings.Join(r.with, "; "), strings.Join(r.alone, "; "))
	}
	return s.String()
}

// round makes a duration one that people read.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
