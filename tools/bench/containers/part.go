package main

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// part is a way for containers to become known, and its bounds: 0 for none.
type part struct {
	name  string
	local bool          // the edge follows the engine itself, without an agent and Consul
	check time.Duration // the interval of each container's own check, 0 for no check

	registered, served, gone time.Duration // bounds of the 0.99-quantile
}

// parts are all that is measured; interval is that of the checks.
func parts(interval time.Duration) []part {
	return []part{
		{name: "agent and Consul, no check", registered: time.Second, served: 1500 * time.Millisecond},
		{name: "agent and Consul, check every " + interval.String(), check: interval,
			registered: time.Second, served: 500*time.Millisecond + interval, gone: time.Second + interval},
		{name: "edge on the same engine", local: true, gone: 500 * time.Millisecond},
	}
}

// measure lets so many containers start and be killed, on a stage of its own.
func (p part) measure(ctx context.Context, tb lab.TB, s *stage, starts int) ([]row, error) {
	end := s.set(ctx, tb, p)
	defer end()
	before, err := lab.ReadProcessors()
	if err != nil {
		return nil, err
	}
	rows := []row{
		{part: p.name, what: "start → in Consul's catalogue", bound: p.registered},
		{part: p.name, what: "start → first 200", bound: p.served},
		{part: p.name, what: "`docker kill` returned → 404", bound: p.gone},
	}
	for n := range starts {
		l, err := s.live(ctx, n, p)
		if err != nil {
			return nil, err
		}
		rows[0].taken = append(rows[0].taken, l.registered)
		rows[1].taken = append(rows[1].taken, l.served)
		rows[2].taken = append(rows[2].taken, l.gone)
	}
	after, err := lab.ReadProcessors()
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].others = after.Others(before)
	}
	if p.local {
		rows = rows[1:]
	}
	return rows, nil
}
