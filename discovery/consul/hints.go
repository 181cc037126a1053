package consul

import (
	"context"
	"math/rand/v2"
	"time"
)

// hint is a version of something that belongs to a service; of a node as a whole where the service is empty.
type hint struct {
	service string
	modify  uint64
}

// diff marks the services of what is new, changed or gone; those of what is gone with that least index.
func diff[K comparable](was, is map[K]hint, gone uint64, mark func(service string, least uint64)) {
	for key, now := range is {
		before, had := was[key]
		if before == now {
			continue
		}
		mark(now.service, now.modify)
		if had && before.service != now.service {
			mark(before.service, gone)
		}
	}
	for key, before := range was {
		if _, still := is[key]; !still {
			mark(before.service, gone)
		}
	}
}

// nodeServices is the answer of /v1/catalog/node-services/NODE. Node is nil when there is no such node.
type nodeServices struct {
	Node     *anything
	Services []struct {
		ID          string
		Service     string
		ModifyIndex uint64
	}
}

func (n *nodeServices) hints() map[string]hint {
	out := make(map[string]hint, len(n.Services))
	for _, s := range n.Services {
		if s.Service != ownService {
			out[s.ID] = hint{service: s.Service, modify: s.ModifyIndex}
		}
	}
	return out
}

func nodePath(name string) string { return "/v1/catalog/node-services/" + name }

func nodeSubject(name string) subject { return subject{what: "node " + name} }

// checkKey names a check: its ID is unique on its node.
type checkKey struct{ node, id string }

// followChecks marks the services of checks that come into a state, change in it, or leave it, and for the checks of a node all
// services on it. The answer holds the checks in that state only, so that it is small and still while all is well.
func (s *Source) followChecks(ctx context.Context, state string) error {
	was := map[checkKey]hint{}
	var index rising
	t := target{subject: subject{what: state + " checks"}, path: "/v1/health/state/" + state, wait: s.config.Wait}
	return follow(ctx, s, t, func(_ context.Context, checks []check, got answer) error {
		if checks == nil {
			return errNull
		}
		before := index.last
		if err := index.check(got.index); err != nil {
			return err
		}
		s.hints.Add(1)
		is := make(map[checkKey]hint, len(checks))
		for i := range checks {
			c := &checks[i]
			key := checkKey{c.Node, c.CheckID}
			is[key] = hint{service: c.ServiceName, modify: c.ModifyIndex}
			if c.ServiceName == "" && was[key] != is[key] {
				s.markNode(c.Node, c.ModifyIndex)
			}
		}
		for key, before := range was {
			if _, still := is[key]; !still && before.service == "" {
				s.markNode(key.node, 0)
			}
		}
		diff(was, is, 0, s.markNamed)
		was = is
		// A check that came and went since the last answer is in neither, but a read for another reason may have seen it.
		for _, name := range s.book.ailing(state, before) {
			s.reads.mark(name, 0)
		}
		return nil
	})
}

// compare marks the services of what is registered on a node otherwise than it is held. What is held, and not the answer before, is
// what counts: a registration that came and went since then is in neither, but a read for another reason may have seen it.
func (s *Source) compare(node string, is map[string]hint) {
	s.hints.Add(1)
	diff(s.book.on(node), is, newest, s.reads.mark)
}

// markNamed marks a service that is one to follow.
func (s *Source) markNamed(name string, least uint64) {
	if name != "" && name != ownService {
		s.reads.mark(name, least)
	}
}

// markNode marks all services held on a node.
func (s *Source) markNode(name string, least uint64) {
	for _, h := range s.book.on(name) {
		s.reads.mark(h.service, least)
	}
}

// sweep reads every service once in a while, evenly spread, in case a hint was missed, and notices when a watch for each would do.
func (s *Source) sweep(ctx context.Context) error {
	for {
		names, _, err := s.firstNames(ctx)
		if err != nil {
			return err
		}
		wanted := s.wanted(names)
		if len(wanted) < s.config.MaxWatches/2 {
			return errOutgrew
		}
		step := s.config.Sweep / time.Duration(len(wanted))
		for _, name := range wanted {
			if err := sleep(ctx, step/2+rand.N(step+1)); err != nil {
				return err
			}
			s.reads.mark(name, 0)
		}
	}
}
