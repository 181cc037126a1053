package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/healer"
)

// watch looks again and again for what must never be (the invariants), whatever the fault.
type watch struct {
	w *ward

	mu        sync.Mutex
	seen      map[string]int // violations and how often they were seen
	allowed   []string       // those that the present fault declares, by their first word
	ghosts    map[string]time.Time
	warm      map[int]time.Time // since when a healer could act for all that keeps it watching at first
	planned   map[int]int
	led       map[int]bool
	specs     map[string]string // of the Swarm services
	updates   map[string]int    // how often they were changed
	ours      map[string]int    // by the tests among them
	most      int               // replicas of the tended service
	attending bool
}

func newWatch(w *ward) *watch {
	return &watch{w: w, seen: map[string]int{}, ghosts: map[string]time.Time{}, warm: map[int]time.Time{}, planned: map[int]int{}, led: map[int]bool{},
		specs: map[string]string{}, updates: map[string]int{}, ours: map[string]int{}}
}

// attend begins to note violations, and forgets those before.
func (v *watch) attend() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen, v.allowed, v.attending, v.most = map[string]int{}, nil, true, 0
	v.updates, v.ours = map[string]int{}, map[string]int{}
	clear(v.ghosts)
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

// broken notes a violation. Its first word names the invariant.
func (v *watch) broken(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	invariant, _, _ := strings.Cut(what, " ")
	if v.attending && !slices.Contains(v.allowed, invariant) {
		v.seen[what]++
	}
}

// mine says that a test has changed a Swarm service.
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

// staleAfter is when a healer's status tells of the past only: that of a process that was stopped and has just been woken. The built-in
// time between two rounds is 5 s.
const staleAfter = 8 * time.Second

// period is the time between two looks.
const period = 250 * time.Millisecond

// run looks until ctx ends. What takes long to answer keeps nothing else from being looked at.
func (v *watch) run(ctx context.Context) {
	looks := []func(context.Context){v.containers, v.healers}
	if !v.w.plain {
		looks = append(looks, v.services)
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
		v.broken("I1 %s runs on %v at once", at, on)
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
		if now.Sub(since) > 2*resync()+2*time.Second {
			v.broken("I6 %s is registered without a container", e.Service.ID)
		}
	}
	v.ghosts = still
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
	states := map[int]healer.Status{}
	for i := range v.w.Edges {
		if s, err := v.w.status(i); err == nil && time.Since(s.At) < staleAfter {
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
			v.broken("I5 the healer of edge %d plans, and does not lead", i+1)
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
	if len(leaders) > 1 {
		v.broken("I5 the healers of edges %v act at once", leaders)
	}
}

// services looks at what Swarm was told.
func (v *watch) services(ctx context.Context) {
	for _, h := range v.w.Hosts {
		if !h.On() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		list, err := h.Docker().ServiceList(ctx, swarm.ServiceListOptions{})
		cancel()
		if err != nil {
			continue
		}
		v.mu.Lock()
		for _, s := range list {
			text, err := json.Marshal(s.Spec)
			if before := v.specs[s.Spec.Name]; err == nil && string(text) != before {
				v.specs[s.Spec.Name] = string(text)
				if before != "" {
					v.updates[s.Spec.Name]++
				}
			}
			if s.Spec.Name == names[tended] {
				v.most = max(v.most, int(*s.Spec.Mode.Replicated.Replicas))
			}
		}
		v.mu.Unlock()
		return
	}
}

// told returns how often a Swarm service was changed by others than the tests in this fault, and the most replicas it had.
func (v *watch) told(service string) (updates, most int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.updates[service] - v.ours[service], v.most
}
