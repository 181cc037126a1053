package consul

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

// set makes a service of instances named by their health: "a" passes, "a!" is critical, "a?" warns.
func set(index uint64, names ...string) *discovery.Service {
	s := &discovery.Service{Name: "shop", Index: index}
	for _, name := range names {
		i := discovery.Instance{Service: "shop", Node: "n", Cluster: "live", Address: "192.0.2.1", Port: 80}
		switch name[len(name)-1] {
		case '!':
			name, i.Health = name[:len(name)-1], discovery.Critical
		case '?':
			name, i.Health = name[:len(name)-1], discovery.Warning
		}
		i.ServiceID, i.ID = name, discovery.InstanceID("live", "n", name)
		s.Instances = append(s.Instances, i)
	}
	slices.SortFunc(s.Instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	return s
}

func TestJudge(t *testing.T) {
	held := func(index uint64, names ...string) holding {
		return holding{service: set(index, names...), index: index}
	}
	fell := func(h holding) holding {
		h.fell = true
		return h
	}
	for _, c := range []struct {
		name  string
		held  holding
		index uint64
		next  *discovery.Service
		want  verdict
	}{
		{"nothing held, nothing answered", holding{}, 7, set(7), believe},
		{"nothing held, something answered", holding{}, 7, set(7, "a"), believe},
		{"nothing changed", held(7, "a", "b"), 7, set(7, "a", "b"), believe},
		{"one came", held(7, "a"), 8, set(8, "a", "b"), believe},
		{"one came back at the same index, as when rights return", held(7, "a"), 7, set(7, "a", "b"), believe},
		{"one became critical", held(7, "a", "b"), 8, set(8, "a", "b!"), believe},
		{"a critical one went", held(7, "a", "b!"), 8, set(8, "a"), believe},
		{"a critical one went at the same index", held(7, "a", "b!"), 7, set(7, "a"), believe},
		{"one went, the index rose", held(7, "a", "b"), 8, set(8, "a"), confirm},
		{"a warning one went, the index rose", held(7, "a?"), 8, set(8), confirm},
		{"the last went, the index rose", held(7, "a"), 8, set(8), confirm},
		{"one was replaced, the index rose", held(7, "a"), 8, set(8, "b"), confirm},
		{"the last went, the index stands", held(7, "a"), 7, set(7), unrisen},
		{"one of two went, the index stands", held(7, "a", "b"), 7, set(7, "b"), unrisen},
		{"lower index, same set", held(7, "a"), 3, set(3, "a"), fallen},
		{"lower index, empty", held(7, "a"), 3, set(3), fallen},
		{"lower index again, same set", fell(held(7, "a")), 3, set(3, "a"), believe},
		{"lower index again, empty", fell(held(7, "a")), 3, set(3), confirm},
		{"after a lower index the old one, empty", fell(held(7, "a")), 7, set(7), unrisen},
		{"after a lower index a higher one, empty", fell(held(7, "a")), 8, set(8), confirm},
		{"known without an index", held(0, "a"), 3, set(3), confirm},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judge(c.held, c.index, c.next); got != c.want {
				t.Errorf("judged %d, want %d", got, c.want)
			}
		})
	}
}

func TestVanished(t *testing.T) {
	for _, c := range []struct {
		name       string
		held, next []string
		want       []string
	}{
		{"none", nil, []string{"a"}, nil},
		{"first", []string{"a", "b", "c"}, []string{"b", "c"}, []string{"live/n/a"}},
		{"middle", []string{"a", "b", "c"}, []string{"a", "c"}, []string{"live/n/b"}},
		{"last", []string{"a", "b", "c"}, []string{"a", "b", "bb"}, []string{"live/n/c"}},
		{"critical", []string{"a", "b!", "c"}, []string{"a"}, []string{"live/n/c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := vanished(set(1, c.held...), set(2, c.next...)); !slices.Equal(got, c.want) {
				t.Errorf("vanished %v, want %v", got, c.want)
			}
		})
	}
}
