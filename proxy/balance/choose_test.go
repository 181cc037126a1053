package balance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

var policies = []string{"round_robin", "least_conn", "random", "peak_ewma", "hash"}

func TestShares(t *testing.T) {
	cases := []struct {
		policy    string
		tolerance float64
	}{{"round_robin", 0}, {"least_conn", 0}, {"random", 0.1}, {"hash", 0.1}}
	for _, c := range cases {
		t.Run(c.policy, func(t *testing.T) {
			p := poolOf(pool.Settings{"policy": c.policy}, weight(5), weight(2), weight(1))
			counts := tally(p, 16000, func(n int) uint64 { return HashString(fmt.Sprint("client", n)) })
			for i, want := range []float64{10000, 4000, 2000} {
				within(t, fmt.Sprint("member ", i+1), float64(counts[i]), want, c.tolerance)
			}
		})
	}
}

func TestLeastConn(t *testing.T) {
	p := poolOf(pool.Settings{"policy": "least_conn"}, weight(1), weight(2), weight(4))
	cases := []struct {
		inFlight []int64
		want     int
	}{
		{[]int64{0, 1, 1}, 1},
		{[]int64{1, 1, 4}, 2},
		{[]int64{1, 2, 3}, 3},
		{[]int64{9, 10, 21}, 2},
	}
	for _, c := range cases {
		load(p, c.inFlight...)
		for range 5 {
			if got := position(p, Choose(p, 0, nil)); got != c.want {
				t.Errorf("in flight %v: member %d, want %d", c.inFlight, got, c.want)
			}
		}
	}
}

// TestPriorityGroups: F5's rule while one chooses, where members at their limit do not count as active. Groups of two members each
// have the priorities 3, 2 and 1.
func TestPriorityGroups(t *testing.T) {
	cases := []struct {
		name      string
		minActive int
		full      []int // members at their limit
		tried     []int
		want      []int // members that can be chosen
	}{
		{"all free", 1, nil, nil, []int{1, 2}},
		{"all free, two wanted", 2, nil, nil, []int{1, 2}},
		{"one full, one wanted", 1, []int{1}, nil, []int{2}},
		{"one full, two wanted", 2, []int{1}, nil, []int{2, 3, 4}},
		{"two full", 1, []int{1, 2}, nil, []int{3, 4}},
		{"one full in each of two groups, two wanted", 2, []int{1, 3}, nil, []int{2, 4}},
		{"three full, two wanted", 2, []int{1, 2, 3}, nil, []int{4, 5, 6}},
		{"three wanted", 3, nil, nil, []int{1, 2, 3, 4}},
		{"all full", 1, []int{1, 2, 3, 4, 5, 6}, nil, nil},
		{"a tried member still counts", 1, nil, []int{1, 2}, nil},
		{"tried and full", 2, []int{1}, []int{2, 3}, []int{4}},
	}
	for _, policy := range policies {
		for _, c := range cases {
			t.Run(policy+"/"+c.name, func(t *testing.T) {
				p := poolOf(pool.Settings{"policy": policy, "member_max_conns": "3", "min_active": fmt.Sprint(c.minActive)},
					priority(3), priority(3), priority(2), priority(2), priority(1), priority(1))
				for _, n := range c.full {
					p.Members[n-1].Meter.InFlight.Store(3)
				}
				var tried []*pool.Member
				for _, n := range c.tried {
					tried = append(tried, p.Members[n-1])
				}
				var got []int
				for n := range 200 {
					if m := position(p, Choose(p, HashString(fmt.Sprint(n)), tried)); m != 0 && !slices.Contains(got, m) {
						got = append(got, m)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, c.want) {
					t.Errorf("chosen were %v, want %v", got, c.want)
				}
			})
		}
	}
}

// TestChooseLower: where everybody who could be chosen was tried, the next group has its turn, and only that.
func TestChooseLower(t *testing.T) {
	cases := []struct {
		name        string
		full, tried []int
		want        []int // members that can be chosen
	}{
		{"nobody tried", nil, nil, []int{1, 2}},
		{"one tried", nil, []int{1}, []int{2}},
		{"a group tried", nil, []int{1, 2}, []int{3}},
		{"a group tried or full", []int{2}, []int{1}, []int{3}},
		{"two groups tried", nil, []int{1, 2, 3}, []int{4}},
		{"a group full below", []int{3}, []int{1, 2}, []int{4}},
		{"all tried", nil, []int{1, 2, 3, 4}, nil},
	}
	for _, policy := range policies {
		for _, c := range cases {
			t.Run(policy+"/"+c.name, func(t *testing.T) {
				p := poolOf(pool.Settings{"policy": policy, "member_max_conns": "3"}, priority(3), priority(3), priority(2), priority(1))
				for _, n := range c.full {
					p.Members[n-1].Meter.InFlight.Store(3)
				}
				var tried []*pool.Member
				for _, n := range c.tried {
					tried = append(tried, p.Members[n-1])
				}
				var got []int
				for n := range 200 {
					if m := position(p, ChooseLower(p, HashString(fmt.Sprint(n)), tried)); m != 0 && !slices.Contains(got, m) {
						got = append(got, m)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, c.want) {
					t.Errorf("chosen were %v, want %v", got, c.want)
				}
			})
		}
	}
	if m := ChooseLower(poolOf(nil, discovery.Instance{Health: discovery.Critical}), 0, nil); m != nil {
		t.Errorf("%s was chosen, who is down", m.ID())
	}
}

// TestFailback: a lower group leaves as soon as those above have enough members below their limit.
func TestFailback(t *testing.T) {
	p := poolOf(pool.Settings{"member_max_conns": "1"}, priority(10), priority(9))
	for _, step := range []struct {
		inFlight int64
		want     int
	}{{0, 1}, {1, 2}, {0, 1}} {
		load(p, step.inFlight)
		if got := position(p, Choose(p, 0, nil)); got != step.want {
			t.Errorf("%d in flight at the master: member %d, want %d", step.inFlight, got, step.want)
		}
	}
}

func TestNobodyUp(t *testing.T) {
	for _, members := range [][]discovery.Instance{nil, {{Health: discovery.Critical}}} {
		if m := Choose(poolOf(nil, members...), 0, nil); m != nil {
			t.Errorf("%s was chosen", m.ID())
		}
	}
}

// TestChosenIsOpen: whatever the policy and the state of the pool, the chosen member is active, of a joined group, not full and not
// tried; and nobody is chosen only if there is none such.
func TestChosenIsOpen(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		limit := r.IntN(3)
		members := make([]discovery.Instance, 1+r.IntN(8))
		for i := range members {
			members[i] = priority(r.IntN(3))
			members[i].Weights.Passing = r.IntN(5)
			members[i].Health = discovery.Health(r.IntN(4))
		}
		p := poolOf(pool.Settings{"policy": policies[r.IntN(len(policies))], "member_max_conns": fmt.Sprint(limit),
			"min_active": fmt.Sprint(1 + r.IntN(3))}, members...)
		var tried []*pool.Member
		for _, m := range p.Members {
			m.Meter.InFlight.Store(int64(r.IntN(3)))
			if r.IntN(3) == 0 {
				tried = append(tried, m)
			}
		}
		got := Choose(p, r.Uint64(), tried)
		if want := candidates(p, tried); got == nil && len(want) > 0 || got != nil && !slices.Contains(want, got) {
			t.Fatalf("chosen was %d of %d possible ones (policy %s)", position(p, got), len(want), p.Spec.Policy)
		}
	}
}

// candidates finds who can be chosen, by the plain words of the rule.
func candidates(p *pool.Pool, tried []*pool.Member) (open []*pool.Member) {
	active := 0
	for _, g := range p.Groups {
		if active >= p.Spec.MinActive {
			break
		}
		for _, m := range g.Members {
			if m.State != pool.Active || m.Full() {
				continue
			}
			active++
			if !slices.Contains(tried, m) {
				open = append(open, m)
			}
		}
	}
	return open
}

func TestNoAllocations(t *testing.T) {
	for _, policy := range policies {
		p := poolOf(pool.Settings{"policy": policy, "member_max_conns": "10"}, equals(5)...)
		tried := p.Members[:1]
		if n := testing.AllocsPerRun(100, func() { Choose(p, 7, tried) }); n != 0 {
			t.Errorf("%s: %v allocations", policy, n)
		}
	}
}
