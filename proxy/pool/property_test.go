package pool

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

func equalSpecs(a, b *Spec) bool { return reflect.DeepEqual(a, b) }

// render writes all of a snapshot that readers see, but for its version and what slow start remembers.
func render(t *testing.T, s *Snapshot) string {
	t.Helper()
	var b strings.Builder
	for _, c := range s.Clusters {
		fmt.Fprintf(&b, "cluster %s %q %v %v %v\n", c.Name, c.Prefix, c.Allow, c.Ready, c.DNS)
		for _, names := range []map[string]*Pool{c.Exact, c.Wildcard, c.Services} {
			for _, name := range slices.Sorted(maps.Keys(names)) {
				fmt.Fprintf(&b, "%s: %s\n", name, renderPool(t, names[name]))
			}
		}
		fmt.Fprintf(&b, "refused %+v\n", c.Refused)
	}
	return b.String()
}

func renderPool(t *testing.T, p *Pool) string {
	t.Helper()
	copied := *p
	copied.Groups, copied.Members = nil, nil
	copied.Lineups = nil
	for _, m := range p.Members {
		member := *m
		member.UpSince = time.Time{}
		copied.Members = append(copied.Members, &member)
	}
	for _, l := range p.Lineups {
		line := *l
		line.Members = nil
		copied.Lineups = append(copied.Lineups, &line)
	}
	text, err := json.Marshal(&copied)
	if err != nil {
		t.Fatal(err)
	}
	lists := ""
	for k, g := range p.Groups {
		lists += fmt.Sprintf(" group %d up %d %v of %v", g.Priority, g.Up, ids(p.Lineups[k].Members), ids(g.Members))
	}
	return string(text) + lists + p.due.String()
}

func ids(members []*Member) (ids []string) {
	for _, m := range members {
		ids = append(ids, m.ID())
	}
	return ids
}

// randomStep changes one thing of the world.
func randomStep(w *world, r *rand.Rand) {
	names := []string{"a.example.com", "A.example.com", "b.example.com", "test.c.example.com", "redis", "x", "y"}
	domains := []string{"a.example.com", "*.example.com", "z.example.com", "z.example.com,a.example.com", "bad", "test.q.example.com"}
	cluster := r.IntN(len(w.in.Clusters))
	c := &w.in.Clusters[cluster]
	name := names[r.IntN(len(names))]
	id := fmt.Sprintf("%s/n1/%s-%d", c.Config.Name, name, 1+r.IntN(3))
	switch r.IntN(10) {
	case 0:
		w.remove(cluster, name)
	case 1:
		c.Overrides = maps.Clone(c.Overrides)
		if r.IntN(2) == 0 {
			delete(c.Overrides, id)
			break
		}
		c.Overrides[id] = Override{Instance: id, Action: []Action{Drain, Disable, Weight}[r.IntN(3)], Weight: 3, Author: "anna",
			Address: fmt.Sprintf("10.0.%d.1:%d", cluster, 20000+len(name)), Expires: w.in.Now.Add(time.Duration(r.IntN(3)) * time.Minute)}
	case 2:
		// A writer may well change its map in place.
		c.Verdicts[id] = Verdict{Down: r.IntN(3) > 0, Ejected: r.IntN(2) == 0, Reason: "refused", Since: w.in.Now}
	case 3:
		w.in.Now = w.in.Now.Add(time.Duration(r.IntN(90)) * time.Second)
	case 4:
		c.Config.Defaults = Settings{"min_active": fmt.Sprint(1 + r.IntN(3))}
	case 5:
		c.Config.Serve = [][]string{nil, {"*.example.com"}, {"a.example.com"}}[r.IntN(3)]
	default:
		var copies []copyOf
		for range r.IntN(4) {
			copies = append(copies, randomCopy(r, domains))
		}
		w.put(cluster, name, copies...)
	}
}

func randomCopy(r *rand.Rand, domains []string) copyOf {
	set := []copyOf{health(discovery.Health(r.IntN(4) * r.IntN(2))), weights(r.IntN(4), 1), index(uint64(r.IntN(3)))}
	if r.IntN(2) == 0 {
		set = append(set, metaOf("domain", domains[r.IntN(len(domains))], "fairlead_queue", fmt.Sprint(r.IntN(2))))
	}
	if r.IntN(4) == 0 {
		set = append(set, heldAs("restored"))
	}
	if r.IntN(3) == 0 {
		set = append(set, at("10.9.9.9", uint16(r.IntN(3))))
	}
	if r.IntN(2) == 0 {
		set = append(set, tags([]string{"master", "slave"}[r.IntN(2)]))
	}
	return all(set...)
}

// TestIncremental: whatever came before, Build makes what it would make from nothing, returns the same snapshot for the same input,
// and keeps the pointers of pools that are as they were.
func TestIncremental(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld("", "test.")
		for step := range 60 {
			randomStep(w, r)
			old := w.snap
			w.build()
			anew, _ := Build(nil, w.in)
			if got, want := render(t, w.snap), render(t, anew); got != want {
				t.Fatalf("seed %d step %d: %s", seed, step, firstDifference(got, want))
			}
			if again, changed := Build(w.snap, w.in); changed || again != w.snap {
				t.Fatalf("seed %d step %d: the same input made a new version", seed, step)
			}
			if due, ok := w.snap.Next(); ok && !due.After(w.in.Now) {
				t.Fatalf("seed %d step %d: due at %v, now is %v", seed, step, due, w.in.Now)
			}
			checkPointers(t, old, w.snap)
			checkSnapshot(t, w.snap)
		}
	}
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("got\n%s\nwant\n%s", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// checkPointers wants pools that did not change to be the same ones, and a version that tells of every change.
func checkPointers(t *testing.T, old, now *Snapshot) {
	t.Helper()
	if old == nil || old == now {
		return
	}
	if now.Version != old.Version+1 {
		t.Errorf("version %d after %d", now.Version, old.Version)
	}
	for i, c := range now.Clusters {
		for domain, p := range c.Exact {
			before := old.Clusters[i].Exact[domain]
			if before != nil && before != p && before.Service == p.Service && reflect.DeepEqual(before, p) {
				t.Errorf("%s: an equal pool has a new pointer", domain)
			}
		}
	}
}

// checkSnapshot checks what holds for every snapshot.
func checkSnapshot(t *testing.T, s *Snapshot) {
	t.Helper()
	for _, c := range s.Clusters {
		for _, names := range []map[string]*Pool{c.Exact, c.Wildcard, c.Services} {
			for name, p := range names {
				for _, m := range p.Members {
					if m.State != Active && m.Reason == "" || m.Weight < 1 {
						t.Errorf("%s: %s is %s for %q with weight %d", name, m.ID(), m.State, m.Reason, m.Weight)
					}
				}
				up := 0
				for k, l := range p.Lineups {
					up += p.Groups[k].Up
					if len(l.Members) != up || slices.ContainsFunc(l.Members, func(m *Member) bool { return m.State != Active }) {
						t.Errorf("%s: lineup %d is %v", name, k, ids(l.Members))
					}
				}
				if (p.Joined < 0) != (up == 0) {
					t.Errorf("%s: %d up, joined %d", name, up, p.Joined)
				}
			}
		}
	}
}
