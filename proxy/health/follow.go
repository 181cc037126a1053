package health

import (
	"container/heap"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// follow makes the checks those that the snapshot wants. Pools that are the same as before cost a look into a map. New pools come
// in before old ones go, so that a pool that was merely rebuilt keeps the state of its checks.
func (a *Active) follow(s *pool.Snapshot, now time.Time) {
	wanted := checked(s)
	for p, prefix := range wanted {
		if _, ok := a.pools[p]; !ok {
			a.join(prefix, p, now)
		}
	}
	for p := range a.pools {
		if _, ok := wanted[p]; !ok {
			a.leave(p)
		}
	}
}

// checked returns the pools whose policy wants checks, each with its cluster's prefix. A pool that serves no domain is checked only
// if none of its service does: under its bare name a server with several sites would answer for the wrong one.
func checked(s *pool.Snapshot) map[*pool.Pool]string {
	wanted := map[*pool.Pool]string{}
	for _, c := range s.Clusters {
		served := map[string]bool{}
		for _, pools := range [...]map[string]*pool.Pool{c.Exact, c.Wildcard} {
			for p := range maps.Values(pools) {
				served[p.Service] = true
				if p.Spec.Check != "off" {
					wanted[p] = c.Prefix
				}
			}
		}
		for p := range maps.Values(c.Services) {
			if p.Spec.Check != "off" && !served[p.Service] {
				wanted[p] = c.Prefix
			}
		}
	}
	return wanted
}

// join adds a pool's checks. Members are asked at random moments of the first interval, so that they are not asked all at once, then
// or ever after.
func (a *Active) join(prefix string, p *pool.Pool, now time.Time) {
	verdicts := a.board.Verdicts()
	targets := make([]target, 0, len(p.Members))
	for _, m := range p.Members {
		t := targetOf(prefix, p, m)
		c := a.checks[t]
		if c == nil {
			c = newCheck(t, a.board, verdicts[t.instance])
			a.checks[t] = c
		}
		c.askers[p] = termsOf(p.Spec)
		c.settle()
		a.plan(c, now)
		targets = append(targets, t)
	}
	a.pools[p] = targets
}

// plan gives a check its next time: a new one somewhere within its interval, one that is to be asked more often no later than that.
// A check under way is planned when it ends.
func (a *Active) plan(c *check, now time.Time) {
	due := now.Add(rand.N(c.terms.interval))
	switch {
	case c.due.IsZero():
		c.due = due
		heap.Push(&a.schedule, c)
	case c.place >= 0 && c.due.Sub(now) > c.terms.interval:
		c.due = due
		heap.Fix(&a.schedule, c.place)
	}
}

// leave ends a pool's checks, but for those that another pool wants as well.
func (a *Active) leave(p *pool.Pool) {
	for _, t := range a.pools[p] {
		c := a.checks[t]
		delete(c.askers, p)
		if len(c.askers) > 0 {
			c.settle()
			continue
		}
		delete(a.checks, t)
		if c.place >= 0 {
			heap.Remove(&a.schedule, c.place)
		}
		a.board.Withdraw(t.instance, t.String())
	}
	delete(a.pools, p)
}
