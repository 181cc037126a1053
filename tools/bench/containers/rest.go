package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// stillness is what an agent does and needs while nothing happens.
type stillness struct {
	size
	registered time.Duration // until all containers were
	writes     uint64        // of the agent to Consul at rest
	moved      []string      // indexes of Consul that did not stand still
	cpu        float64       // of the agent, in percent of one processor
	rss, pss   int64         // of the agent, in bytes
	others     float64       // the processors' time that went to other programs, in percent
}

func (s stillness) kept() bool { return s.writes == 0 && len(s.moved) == 0 }

// String is a table of it.
func (s stillness) String() string {
	moved := "none"
	if len(s.moved) > 0 {
		moved = strings.Join(s.moved, ", ")
	}
	return fmt.Sprintf(`| one agent, %d containers, a fifth of them with a check of %s, %s at rest | seen | bound | kept |
|---|---|---|---|
| from the agent's start to all of them registered (s) | %.1f | | |
| writes to Consul at rest | %d | 0 | %s |
| indexes of Consul that moved (catalogue, checks, sessions, KV) | %s | none | %s |
| the agent's processor time (%% of one processor) | %.2f | | |
| the agent's memory, RSS / PSS (MiB) | %.1f / %.1f | | |
| the same of Registrator | not available here | | |
| other programs' share of the processors (%%) | %.0f | | |
`, s.containers, s.interval, s.rest, s.registered.Seconds(), s.writes, yes(s.writes == 0), moved, yes(len(s.moved) == 0),
		s.cpu, float64(s.rss)/(1<<20), float64(s.pss)/(1<<20), s.others)
}

// measureRest registers the containers of a scripted engine in a Consul of their own, and looks at what goes on when all is done.
func measureRest(ctx context.Context, tb lab.TB, binary string, o size) (s stillness, err error) {
	s.size = o
	port, err := netPort(lab.Accept(tb, func(c net.Conn) { c.Close() }))
	if err != nil {
		return s, err
	}
	a := startConsul(tb, binary)
	began := time.Now()
	agent := startAgent(ctx, tb, a, "--engine", scripted(tb, o, port))
	if err := lab.Within(ctx, startTime, func() (bool, error) {
		r, err := status(agent)
		return r.Counts.Agreeing == o.containers && r.Counts.Pending == 0, err
	}); err != nil {
		return s, fmt.Errorf("waiting until all are registered: %w", err)
	}
	s.registered = time.Since(began)
	if err := lab.Within(ctx, startTime, func() (bool, error) {
		passing, _, err := a.Client().Health().State("passing", nil)
		return len(passing) > checked(o.containers), err // and the node's own
	}); err != nil {
		return s, fmt.Errorf("waiting until all checks have passed: %w", err)
	}
	before, err := look(agent, a)
	if err != nil {
		return s, err
	}
	select {
	case <-ctx.Done():
		return s, ctx.Err()
	case <-time.After(o.rest):
	}
	after, err := look(agent, a)
	if err != nil {
		return s, err
	}
	s.compare(before, after)
	if s.rss, err = lab.RSS(agent.PID()); err != nil {
		return s, err
	}
	s.pss, err = lab.PSS(agent.PID())
	return s, err
}

// sight is how things stand at one moment.
type sight struct {
	at         time.Time
	cpu        time.Duration
	writes     registrar.Writes
	indexes    map[string]uint64
	processors lab.Processors
}

func look(agent *lab.Edge, a *consul.Agent) (s sight, err error) {
	r, err := status(agent)
	if err != nil {
		return s, err
	}
	s.at, s.writes = time.Now(), r.Writes
	if s.indexes, err = a.Indexes(); err != nil {
		return s, err
	}
	if s.processors, err = lab.ReadProcessors(); err != nil {
		return s, err
	}
	s.cpu, err = lab.CPU(agent.PID())
	return s, err
}

func (s *stillness) compare(before, after sight) {
	s.writes = sum(after.writes) - sum(before.writes)
	for _, what := range slices.Sorted(maps.Keys(after.indexes)) {
		if after.indexes[what] != before.indexes[what] {
			s.moved = append(s.moved, what)
		}
	}
	s.cpu = 100 * float64(after.cpu-before.cpu) / float64(after.at.Sub(before.at))
	s.others = after.processors.Others(before.processors)
}

func sum(w registrar.Writes) uint64 {
	return w.Registered + w.Deregistered + w.Drained + w.Resumed + w.Failed
}
