package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// A burst of changes is told in so many lines, and so many more each second; the rest is counted and told in one line when the burst
// is over.
const (
	linesAtOnce    = 100
	linesPerSecond = 20
)

// reporter tells the log what changed. It belongs to the writer's goroutine.
type reporter struct {
	log     *slog.Logger
	lines   float64 // still allowed
	counted time.Time
	untold  map[string]int
}

func newReporter(log *slog.Logger) *reporter {
	return &reporter{log: log, lines: linesAtOnce, untold: map[string]int{}}
}

// report tells what changed.
func (r *reporter) report(d *changes, now time.Time) {
	for _, c := range d.ready {
		r.say(now, slog.LevelInfo, "cluster ready", "cluster", c.Name, "domains", len(c.Exact)+len(c.Wildcard))
	}
	for _, c := range d.came {
		r.say(now, slog.LevelInfo, "domain came", "cluster", c.cluster.Name, "domain", c.name, "service", c.pool.Service, "members", len(c.pool.Members), "why", c.pool.Why)
	}
	for _, c := range d.went {
		r.say(now, slog.LevelInfo, "domain went", "cluster", c.cluster.Name, "domain", c.name, "service", c.pool.Service)
	}
	for i := range d.members {
		r.member(&d.members[i], now)
	}
	for _, p := range d.left {
		r.say(now, slog.LevelWarn, "pool has no active member", "cluster", p.Cluster, "pool", p.Name, "why", p.Why)
	}
	for _, f := range d.refused {
		r.say(now, slog.LevelWarn, "claim refused", "cluster", f.cluster, "domain", f.Domain, "service", f.Service, "reason", f.Reason)
	}
	for _, p := range d.noted {
		r.say(now, slog.LevelWarn, "pool has problems", "cluster", p.Cluster, "pool", p.Name, "problems", p.Problems)
	}
}

// member tells of one member.
func (r *reporter) member(c *memberChange, now time.Time) {
	m := c.member()
	what, level := "member "+m.State.String(), slog.LevelInfo
	switch {
	case c.now == nil:
		what = "member went"
	case m.State == pool.Down && c.was != nil && c.was.State == pool.Active:
		level = slog.LevelWarn
	}
	attrs := []any{"cluster", c.cluster, "service", c.service, "instance", m.ID(), "address", m.Addr}
	if m.Reason != "" && c.now != nil {
		attrs = append(attrs, "reason", m.Reason)
	}
	r.say(now, level, what, attrs...)
}

// say writes a line, or counts it while there are too many.
func (r *reporter) say(now time.Time, level slog.Level, what string, attrs ...any) {
	r.refill(now)
	if r.lines < 1 {
		r.untold[what]++
		return
	}
	r.lines--
	r.log.Log(context.Background(), level, what, attrs...)
}

func (r *reporter) refill(now time.Time) {
	r.lines = min(linesAtOnce, r.lines+now.Sub(r.counted).Seconds()*linesPerSecond)
	r.counted = now
}

// due returns when summary has something to tell; false if it has not.
func (r *reporter) due() (time.Time, bool) {
	return r.counted.Add(time.Second), len(r.untold) > 0
}

// summary tells in one line what was only counted, once a burst is over for a second.
func (r *reporter) summary(now time.Time) {
	if at, ok := r.due(); !ok || now.Before(at) {
		return
	}
	var counts []string
	for _, what := range slices.Sorted(maps.Keys(r.untold)) {
		counts = append(counts, fmt.Sprintf("%d x %s", r.untold[what], what))
	}
	clear(r.untold)
	r.log.Info("more changes than lines", "untold", strings.Join(counts, ", "))
}
