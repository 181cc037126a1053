package main

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// row is one time that was measured, once for each container of a part.
type row struct {
	part, what string
	bound      time.Duration // of the 0.99-quantile, 0 for none
	taken      []time.Duration
	others     float64 // the processors' time that went to other programs, Docker among them, in percent
}

func (r row) kept() bool {
	return len(r.taken) > 0 && (r.bound == 0 || lab.Quantile(r.taken, 0.99) <= r.bound)
}

const header = `| containers known by | what (ms) | median / p99 / max | other programs' share of the processors, Docker's with it (%) | bound of p99 | kept |
|---|---|---|---|---|---|`

func (r row) String() string {
	bound, kept := "", ""
	if r.bound > 0 {
		bound, kept = fmt.Sprint(r.bound.Milliseconds()), yes(r.kept())
	}
	return fmt.Sprintf("| %s | %s | %s | %.0f | %s | %s |", r.part, r.what, lab.Quantiles(r.taken), r.others, bound, kept)
}

func yes(kept bool) string {
	if kept {
		return "yes"
	}
	return "**no**"
}
