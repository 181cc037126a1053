package faults

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// watch looks again and again for what must never be (the invariants), whatever the fault.
type watch struct {
	w *ward

	mu        sync.Mutex
	seen      map[string]int // violations and how often they were seen
	allowed   []string       // those that the present fault declares, by their first word
	since     time.Time      // looks that began before tell of something else
	looked    time.Time      // when the last look at the containers of all hosts began
	twice     int            // the slots that it found several copies in
	ghosts    map[string]time.Time
	warm      map[int]time.Time // since when a healer could act for all that keeps it watching at first
	planned   map[int]int
	led       map[int]bool
	reigns    map[int]reign
	updates   map[string]int // how often the replicas of a Swarm service were changed
	ours      map[string]int // by the tests among them
	most      int            // replicas of the tended service
	attending bool
}

// reign is the time from which a healer has led until it last found so, by its own clock: what is heard late is no later.
type reign struct{ from, to time.Time }

func newWatch(w *ward) *watch {
	return &watch{w: w, seen: map[string]int{}, ghosts: map[string]time.Time{}, warm: map[int]time.Time{}, planned: map[int]int{}, led: map[int]bool{},
		reigns: map[int]reign{}, updates: map[string]int{}, ours: map[string]int{}}
}

// attend begins to note violations, and forgets those before.
func (v *watch) attend() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen, v.allowed, v.since, v.attending, v.most = map[string]int{}, nil, time.Now(), true, 0
	v.updates, v.ours = map[string]int{}, map[string]int{}
	clear(v.ghosts)
	clear(v.reigns)
}

func (v *watch) dismiss() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.attending = false
}

// allow declares a violation as part of the present fault, from now on; forbid ends that.
func (v *watch) allow(invariant string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.allowed = append(v.allowed, invariant)
}

func (v *watch) forbid(invariant string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.allowed = slices.DeleteFunc(v.allowed, func(a string) bool { return a == invariant })
	v.since = time.Now()
	clear(v.ghosts)
}

// judge fails the test for what was seen.
func (v *watch) judge(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for what, n := range v.seen {
		t.Errorf("%s (seen %d times)", what, n)
	}
}

// broken notes a violation that a look found which began then. Its first word names the invariant.
func (v *watch) broken(began time.Time, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	invariant, _, _ := strings.Cut(what, " ")
	if v.attending && !began.Before(v.since) && !slices.Contains(v.allowed, invariant) {
		v.seen[what]++
	}
}

// mine says that a test has changed the replicas of a Swarm service.
func (v *watch) mine(service string) {
	if v == nil {
		return // it is not watched yet
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ours[service]++
}

// warmSince is since when a healer has led without a doubt.
func (v *watch) warmSince(edge int) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	if since, known := v.warm[edge]; known {
		return since
	}
	return time.Now()
}

// period is the time between two looks.
const period = 250 * time.Millisecond

// run looks until ctx ends. What takes long to answer keeps nothing else from being looked at.
func (v *watch) run(ctx context.Context) {
	looks := []func(context.Context){v.containers, v.healers}
	if !v.w.plain {
		looks = append(looks, v.orders)
	}
	var wait sync.WaitGroup
	for _, look := range looks {
		wait.Go(func() {
			for ctx.Err() == nil {
				look(ctx)
				select {
				case <-ctx.Done():
				case <-time.After(period):
				}
			}
		})
	}
	wait.Wait()
}

// containers looks for two copies in one slot (I1) and registrations without a container (I6).
func (v *watch) containers(ctx context.Context) {
	began := time.Now()
	all, answered := map[string]bool{}, map[string]bool{}
	slots := map[string][]copyOf{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, h := range v.w.Hosts {
		if !h.On() {
			continue
		}
		wait.Go(func() {
			copies, ids, err := running(ctx, h)
			if err != nil {
				return // nobody can tell
			}
			mu.Lock()
			defer mu.Unlock()
			answered[h.Name] = true
			for id := range ids {
				all[id] = true
			}
			for _, c := range copies {
				if c.slot != "" {
					at := c.domain + " slot " + c.slot
					slots[at] = append(slots[at], c)
				}
			}
		})
	}
	wait.Wait()
	twice := inOneSlot(ctx, slots)
	registered := append(v.w.entries(tended), v.w.entries(untended)...)
	v.mu.Lock()
	defer v.mu.Unlock()
	for at, on := range twice {
		v.broken(began, "I1 %s runs on %v at once", at, on)
	}
	now, still := time.Now(), map[string]time.Time{}
	for _, e := range registered {
		container := e.Service.Meta["container"]
		if e.Service.Meta["owner"] != "fairlead" || container == "" || all[container] || !answered[e.Node.Node] {
			continue
		}
		since, known := v.ghosts[e.Service.ID]
		if !known {
			since = now
		}
		still[e.Service.ID] = since
		if now.Sub(since) > 2*resync()+20*time.Second { // the end of each fault asks for none at all
			v.broken(began, "I6 %s is registered without a container", e.Service.ID)
		}
	}
	if began.Before(v.since) {
		return
	}
	v.ghosts = still
	if !slices.ContainsFunc(v.w.Hosts, func(h *hosts.Host) bool { return h.On() && !answered[h.Name] }) {
		v.looked, v.twice = began, len(twice)
	}
}

// single reports whether a look after some moment has found no slot with two copies.
func (v *watch) single(after time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.looked.After(after) && v.twice == 0
}

// noGhosts reports whether a look after some moment has found a container behind each registration.
func (v *watch) noGhosts(after time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.looked.After(after) && len(v.ghosts) == 0
}

// inOneSlot returns the slots in which several copies run, and the hosts they run on.
func inOneSlot(ctx context.Context, slots map[string][]copyOf) map[string][]string {
	twice := map[string][]string{}
	for at, copies := range slots {
		if len(copies) < 2 {
			continue
		}
		var on []string
		for _, c := range copies {
			if c.lives(ctx) {
				on = append(on, c.host.Name)
			}
		}
		if slices.Sort(on); len(on) > 1 {
			twice[at] = on
		}
	}
	return twice
}

// healers looks for two that act, and for one that plans without acting (I5).
func (v *watch) healers(context.Context) {
	began := time.Now()
	states := map[int]healer.Status{}
	for i := range v.w.Edges {
		if s, err := v.w.status(i); err == nil {
			states[i] = s
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var leaders []int
	for i, s := range states {
		planned := 0
		for _, n := range s.Totals.Planned {
			planned += n
		}
		if s.Leading {
			leaders = append(leaders, i)
		}
		if planned > v.planned[i] && !s.Leading && !v.led[i] {
			v.broken(began, "I5 the healer of edge %d plans, and does not lead", i+1)
		}
		v.planned[i], v.led[i] = planned, s.Leading
		switch {
		case !s.Leading:
			delete(v.warm, i)
		case s.Doubt != "":
			v.warm[i] = time.Now()
		case v.warm[i].IsZero():
			v.warm[i] = s.LeadingSince
		}
	}
	for _, i := range leaders {
		v.reigns[i] = reign{states[i].LeadingSince, states[i].At}
		for other, r := range v.reigns {
			if other != i && r.from.Before(states[i].At) && states[i].LeadingSince.Before(r.to) {
				v.broken(began, "I5 the healers of edges %d and %d act at once", min(i, other)+1, max(i, other)+1)
			}
		}
	}
}

// orders follows what Swarm is told, by the events of an engine that answers: each change of a number of replicas is one, however short it
// lasts. The last host is the one that fewest faults are about.
func (v *watch) orders(ctx context.Context) {
	for _, h := range slices.Backward(v.w.Hosts) {
		if !h.On() {
			continue
		}
		changes, ended := h.Docker().Events(ctx, events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", "service"), filters.Arg("event", "update"))})
		for {
			select {
			case e := <-changes:
				v.order(e.Actor.Attributes)
				continue
			case <-ended:
			}
			break
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// order notes what an event says that Swarm was told.
func (v *watch) order(of map[string]string) {
	replicas, err := strconv.Atoi(of["replicas.new"])
	if err != nil {
		return // something else was changed
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.updates[of["name"]]++
	if of["name"] == names[tended] {
		v.most = max(v.most, replicas)
	}
}

// told returns how often the replicas of a Swarm service were changed by others than the tests in this fault, and the most there were.
func (v *watch) told(service string) (updates, most int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.updates[service] - v.ours[service], v.most
}
