package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// check is the state of one target. It belongs to the goroutine that runs Active.
type check struct {
	target target
	// askers are the pools that want it, each on its own terms; without any the check is over.
	askers map[*pool.Pool]terms
	terms  terms // the strictest of them
	state  Hysteresis
	due    time.Time
	place  int // in the schedule; -1 while it is under way
}

// newCheck returns a check of a target. If another check has found the same instance down at the same address, because the policy
// asks for another path from now on, it stays down until the first answer to the new question.
func newCheck(t target, board *Board, so pool.Verdict) *check {
	c := &check{target: t, askers: map[*pool.Pool]terms{}, place: -1}
	if so.Down && !so.Ejected && so.Address == t.addr {
		c.state = Unproven(true)
		board.Post(t.instance, t.String(), so)
	}
	return c
}

// settle takes the terms of the most impatient asker. The other fields only make the choice the same every time.
func (c *check) settle() {
	c.terms = slices.MinFunc(slices.Collect(maps.Values(c.askers)), func(a, b terms) int {
		return cmp.Or(
			cmp.Compare(a.interval, b.interval), cmp.Compare(a.timeout, b.timeout),
			cmp.Compare(a.fall, b.fall), cmp.Compare(b.rise, a.rise),
			cmp.Compare(b.statusMin, a.statusMin), cmp.Compare(a.statusMax, b.statusMax),
		)
	})
}

// conclude takes a result and tells the board if the state changes. The reason is the one that took the member down: later failures
// differ in words only, and a changed word is not worth a new snapshot.
func (c *check) conclude(board *Board, now time.Time, failure error) {
	was := c.state
	c.state = was.Next(failure == nil, c.terms.rise, c.terms.fall)
	switch {
	case c.state.Down() && !(was.Down() && was.Proven()):
		board.Post(c.target.instance, c.target.String(), pool.Verdict{
			Down: true, Reason: fmt.Sprintf("%s: %v", c.target, failure), Since: now, Address: c.target.addr,
		})
	case was.Down() && !c.state.Down():
		board.Withdraw(c.target.instance, c.target.String())
	}
}

// schedule is a heap of checks by the time they are due (container/heap).
type schedule []*check

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push is for container/heap.
func (s *schedule) Push(x any) {
	c := x.(*check)
	c.place = len(*s)
	*s = append(*s, c)
}

// Pop is for container/heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	c := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	c.place = -1
	return c
}
