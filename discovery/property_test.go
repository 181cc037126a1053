package discovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// model is the naive catalog: the last word of each source, merged from scratch. It knows no doubt.
type model []map[string]map[string]Instance // by source, service and instance ID

func (m model) apply(source int, u Update) {
	if u.Complete {
		clear(m[source])
	}
	for name, s := range u.Services {
		m[source][name] = map[string]Instance{}
		for _, i := range s.Instances {
			m[source][name][i.ID] = i
		}
	}
}

func (m model) facts() *Facts {
	merged := map[string]map[string]Instance{}
	for _, services := range slices.Backward(m) {
		for name, instances := range services {
			if merged[name] == nil {
				merged[name] = map[string]Instance{}
			}
			maps.Copy(merged[name], instances)
		}
	}
	f := NoFacts("live")
	for name, instances := range merged {
		s := &Service{Name: name}
		for _, id := range slices.Sorted(maps.Keys(instances)) {
			s.Instances = append(s.Instances, instances[id])
		}
		if len(s.Instances) > 0 {
			f.Services[name] = s
		}
	}
	return f
}

// randomUpdate names some of a few services with some of a few instances each, in any order.
func randomUpdate(r *rand.Rand) Update {
	u := Update{Services: map[string]*Service{}, Complete: r.IntN(4) == 0}
	for range r.IntN(3) {
		name := fmt.Sprint("service", r.IntN(4))
		var words []string
		for n := range 8 {
			word := fmt.Sprintf("n%d/%s-%d", n%3, name, n)
			switch r.IntN(6) {
			case 0, 1:
			case 2:
				words = append(words, word+"!")
			case 3:
				words = append(words, word+"@moved")
			default:
				words = append(words, word)
			}
		}
		r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		u.Services[name] = service(name, words...)
	}
	return u
}

// Without masses the merged facts are those of the naive model, a version says that something changed, and pointers of what did not
// stay.
func TestMergedFactsEqualTheModel(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			sources := []*script{newScript("a"), newScript("b"), newScript("c")}
			c := run(t, CatalogOptions{MassMin: 1000}, sources...)
			m := model{{}, {}, {}}
			for range 40 {
				from, u := r.IntN(3), randomUpdate(r)
				before := c.Facts()
				sources[from].say(u)
				m.apply(from, u)
				after, want := c.Facts(), m.facts()
				if show(after) != show(want) {
					t.Fatalf("seed %d: facts are\n%s\nwant\n%s", seed, show(after), show(want))
				}
				changed := before.Ready != after.Ready
				for name := range want.Services {
					same := sameInstances(before.Services[name], after.Services[name])
					if same && before.Services[name] != after.Services[name] {
						t.Fatalf("seed %d: %s has a new pointer and the same instances", seed, name)
					}
					changed = changed || !same
				}
				changed = changed || len(before.Services) != len(after.Services)
				if after.Version-before.Version != map[bool]uint64{true: 1}[changed] {
					t.Fatalf("seed %d: version %d → %d, changed %v", seed, before.Version, after.Version, changed)
				}
			}
		})
	}
}

// With masses the facts are those of the model and held ones beside, a held one is never also plain, and every doubt ends: after
// VanishHold nothing but the model is left.
func TestEveryDoubtEnds(t *testing.T) {
	masses := 0
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			sources := []*script{newScript("a"), newScript("b")}
			c := run(t, CatalogOptions{}, sources...)
			m := model{{}, {}}
			for range 40 {
				from, u := r.IntN(2), randomUpdate(r)
				sources[from].say(u)
				m.apply(from, u)
				held := checkHeld(t, seed, c.Facts(), m.facts())
				if (held > 0) != (len(c.Facts().Doubts) > 0) {
					t.Fatalf("seed %d: %d held, doubts %v", seed, held, c.Facts().Doubts)
				}
				masses += len(c.Facts().Doubts)
				time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
			}
			time.Sleep(15 * time.Minute)
			synctest.Wait()
			if f := c.Facts(); show(f) != show(m.facts()) || len(f.Doubts) > 0 {
				t.Fatalf("seed %d: at the end\n%s\ndoubts %v, want\n%s", seed, show(f), f.Doubts, show(m.facts()))
			}
			l := c.ledger
			if n := len(l.holds) + len(l.held) + len(l.masses); n > 0 {
				t.Fatalf("seed %d: %d things left of the masses", seed, n)
			}
			checkCounts(t, seed, l)
		})
	}
	if masses == 0 {
		t.Error("no mass in any run: the test shows nothing")
	}
}

// checkHeld compares facts with the model, held instances aside, and returns how many are held.
func checkHeld(t *testing.T, seed uint64, got, want *Facts) (held int) {
	t.Helper()
	plain := NoFacts("live")
	seen := map[string]bool{}
	for name, s := range got.Services {
		rest := &Service{Name: name}
		for _, i := range s.Instances {
			if seen[i.ID] {
				t.Fatalf("seed %d: %s stands there twice", seed, i.ID)
			}
			seen[i.ID] = true
			if i.Held != "" {
				held++
			} else {
				rest.Instances = append(rest.Instances, i)
			}
		}
		if len(rest.Instances) > 0 {
			plain.Services[name] = rest
		}
	}
	if show(plain) != show(want) {
		t.Fatalf("seed %d: plain facts are\n%s\nwant\n%s", seed, show(plain), show(want))
	}
	return held
}

// checkCounts compares the ledger's running counts with counting anew.
func checkCounts(t *testing.T, seed uint64, l *ledger) {
	t.Helper()
	present, ids, nodes := 0, map[string]int{}, map[string]int{}
	for _, s := range l.plain {
		for _, i := range s.Instances {
			ids[i.ID]++
			if i.Present() {
				present++
				nodes[i.Node]++
			}
		}
	}
	if present != l.present || !maps.Equal(ids, l.ids) || !maps.Equal(nodes, l.onNode) {
		t.Fatalf("seed %d: counts %d %v, want %d %v", seed, l.present, l.onNode, present, nodes)
	}
}

// For the race detector: sources, readers, subscribers, an operator and the snapshot file at once.
func TestCatalogConcurrently(t *testing.T) {
	file := t.TempDir() + "/live.json"
	var open ports
	sources := []*script{newScript("a"), newScript("b")}
	c := NewCatalog("live", []Source{sources[0], sources[1]}, CatalogOptions{
		Probe: open.probe, File: file, SaveEvery: time.Millisecond, ProbeInterval: time.Millisecond, VanishHold: 20 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	wg.Go(func() {
		var last uint64
		for ctx.Err() == nil {
			changed, stop := c.Subscribe()
			select {
			case <-changed:
			case <-ctx.Done():
			}
			stop()
			f := c.Facts()
			if f.Version < last {
				t.Errorf("version fell from %d to %d", last, f.Version)
			}
			last = f.Version
			for name, s := range f.Services {
				if s.Name != name || len(s.Instances) == 0 || !ordered(s.Instances) {
					t.Errorf("service %s is not whole: %v", name, s.Instances)
				}
			}
			f.InDoubt()
			c.Accept("service1")
		}
	})
	var reporters sync.WaitGroup
	for n, s := range sources {
		reporters.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for range 300 {
				s.reports <- randomUpdate(r)
			}
		})
	}
	reporters.Wait()
	cancel()
	wg.Wait()
	if _, err := readFile(file, "live"); err != nil {
		t.Error(err)
	}
}
