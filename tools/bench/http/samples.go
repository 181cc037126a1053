package main

import (
	"github.com/fairlead/fairlead/tools/lab"
)

// figure is something that is measured.
type figure string

const (
	cpu    figure = "CPU s per 100k requests" // user and system, of the whole process tree
	rates  figure = "requests/s"
	p50    figure = "p50 (ms)"
	p99    figure = "p99 (ms)"
	memory figure = "memory (MiB)" // proportional set size, of the whole process tree
	each   figure = "KiB per idle connection"
)

// sample is what one measurement gave.
type sample map[figure]float64

// samples are the measurements of a scenario, for each peer a round after the other.
type samples map[string][]sample

// all returns a figure of every round.
func (s samples) all(peer string, f figure) []float64 {
	var out []float64
	for _, one := range s[peer] {
		out = append(out, one[f])
	}
	return out
}

// median returns a figure's.
func (s samples) median(peer string, f figure) float64 { return lab.Median(s.all(peer, f)) }

// ratio returns the median of a figure's ratios to another peer's in the same round, or false if there is none.
func (s samples) ratio(peer, beside string, f figure) (float64, bool) {
	var out []float64
	mine, theirs := s.all(peer, f), s.all(beside, f)
	for i := range min(len(mine), len(theirs)) {
		if theirs[i] > 0 {
			out = append(out, mine[i]/theirs[i])
		}
	}
	return lab.Median(out), len(out) > 0
}
