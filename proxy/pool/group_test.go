package pool

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

// TestJoin follows F5's rule of priority group activation. A pool is written as its groups from the highest priority on, each as
// "up/members".
func TestJoin(t *testing.T) {
	cases := []struct {
		groups    string
		minActive int
		joined    int
		lineup    int // members that take traffic
	}{
		{"2/2 2/2 2/2", 1, 0, 2},
		{"2/2 2/2 2/2", 2, 0, 2},
		{"1/2 2/2 2/2", 2, 1, 3}, // activation adds: the member left above goes on
		{"1/2 0/2 2/2", 2, 2, 3},
		{"1/2 1/2 2/2", 2, 1, 2}, // the lowest joins only when those above together are too few
		{"0/2 2/2 2/2", 2, 1, 2},
		{"0/2 1/2 2/2", 2, 2, 3},
		{"0/2 0/2 1/2", 2, 2, 1}, // never enough: all take part
		{"1/2 0/2 0/2", 2, 2, 1},
		{"0/2 0/2 0/2", 1, -1, 0},
		{"3/3 3/3", 7, 1, 6},
		{"1/1 1/1", 1, 0, 1}, // master and slave
		{"0/1 1/1", 1, 1, 1},
		{"2/2", 1, 0, 2},
		{"0/2", 1, -1, 0},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s min %d", c.groups, c.minActive), func(t *testing.T) {
			w := newWorld("")
			w.config().Defaults = Settings{"min_active": fmt.Sprint(c.minActive)}
			w.put(0, "db.example.com", groupsOfText(c.groups)...)
			w.build()
			p := w.pool(t, "db.example.com")
			if p.Joined != c.joined {
				t.Fatalf("joined %d, want %d (%s)", p.Joined, c.joined, p.Why)
			}
			if len(p.Lineups) != len(p.Groups) {
				t.Fatalf("%d lineups for %d groups", len(p.Lineups), len(p.Groups))
			}
			if c.joined >= 0 && len(p.Lineups[p.Joined].Members) != c.lineup {
				t.Errorf("%d members take traffic, want %d", len(p.Lineups[p.Joined].Members), c.lineup)
			}
			if p.Why == "" {
				t.Error("no reason")
			}
		})
	}
}

// groupsOfText returns copies of a service in groups such as "1/2 2/2", the first with the highest priority.
func groupsOfText(text string) (copies []copyOf) {
	for n, group := range strings.Fields(text) {
		var up, members int
		fmt.Sscanf(group, "%d/%d", &up, &members)
		for k := range members {
			state := discovery.Passing
			if k >= up {
				state = discovery.Critical
			}
			copies = append(copies, all(metaOf("priority", fmt.Sprint(100-n)), health(state)))
		}
	}
	return copies
}

func TestFailback(t *testing.T) {
	w := newWorld("")
	master, slave := tags("master"), tags("slave")
	w.put(0, "db.example.com", master, slave)
	w.build()
	for _, step := range []struct {
		health discovery.Health
		joined int
		lineup string
	}{
		{discovery.Passing, 0, "[db.example.com-1]"},
		{discovery.Critical, 1, "[db.example.com-2]"},
		{discovery.Passing, 0, "[db.example.com-1]"},
	} {
		w.put(0, "db.example.com", all(master, health(step.health)), slave)
		w.build()
		p := w.pool(t, "db.example.com")
		var names []string
		for _, m := range p.Lineups[p.Joined].Members {
			names = append(names, m.Instance.ServiceID)
		}
		if p.Joined != step.joined || fmt.Sprint(names) != step.lineup {
			t.Errorf("master %s: joined %d with %v, want %d with %s", step.health, p.Joined, names, step.joined, step.lineup)
		}
	}
}

func TestPriority(t *testing.T) {
	cases := []struct {
		name    string
		copy    copyOf
		want    int
		problem bool
	}{
		{"no tag", plain, 0, false},
		{"master", tags("web", "master"), 10, false},
		{"slave", tags("slave"), 9, false},
		{"highest tag", tags("slave", "master"), 10, false},
		{"meta wins", all(tags("master"), metaOf("priority", "3")), 3, false},
		{"meta zero wins", all(tags("master"), metaOf("priority", " 0 ")), 0, false},
		{"too high", all(tags("slave"), metaOf("priority", "1001")), 9, true},
		{"negative", metaOf("priority", "-1"), 0, true},
		{"no number", metaOf("priority", "high"), 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("")
			w.put(0, "a.example.com", c.copy)
			w.build()
			p := w.pool(t, "a.example.com")
			if got := p.Members[0].Priority; got != c.want || (len(p.Problems) > 0) != c.problem {
				t.Errorf("priority %d with problems %q, want %d", got, p.Problems, c.want)
			}
		})
	}
}
