package pool

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func lineupOf(weights ...int) *Lineup {
	var members []*Member
	for _, w := range weights {
		members = append(members, &Member{Weight: w, State: Active})
	}
	return newLineup(members)
}

func TestSchedule(t *testing.T) {
	cases := []struct {
		weights []int
		want    string
	}{
		{nil, "[]"},
		{[]int{5}, "[0]"},
		{[]int{1, 1, 1}, "[0 1 2]"},
		{[]int{10, 10}, "[0 1]"},
		{[]int{5, 1, 1}, "[0 0 1 0 2 0 0]"}, // the example of nginx
		{[]int{2, 4}, "[1 0 1]"},
		{[]int{65535, 65535}, "[0 1]"},
	}
	for _, c := range cases {
		if got := fmt.Sprint(lineupOf(c.weights...).Schedule); got != c.want {
			t.Errorf("weights %v: %s, want %s", c.weights, got, c.want)
		}
	}
}

// TestScheduleProportions: whatever the weights, everybody has a turn, shares are right, and rounds are short.
func TestScheduleProportions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		weights := make([]int, 1+r.IntN(30))
		for i := range weights {
			weights[i] = 1 + r.IntN([]int{3, 100, 65535}[r.IntN(3)])
		}
		l := lineupOf(weights...)
		if len(l.Schedule) > slots+len(weights) {
			t.Fatalf("%v: a round of %d", weights, len(l.Schedule))
		}
		turns := make([]int, len(weights))
		for _, i := range l.Schedule {
			turns[i]++
		}
		for i, n := range turns {
			want := float64(weights[i]) / float64(l.Weight) * float64(len(l.Schedule))
			if n == 0 || l.Weight <= slots && !near(float64(n), want, 1e-9) || !near(float64(n), want, 1.5+want/20) {
				t.Errorf("%v: member %d has %d turns of %d, want %.2f", weights, i, n, len(l.Schedule), want)
			}
		}
	}
}

func near(a, b, most float64) bool { return a-b <= most && b-a <= most }

// TestScheduleIsSmooth: no member waits much longer than its share says.
func TestScheduleIsSmooth(t *testing.T) {
	l := lineupOf(8, 4, 2, 1, 1)
	last := map[uint16]int{}
	for turn := range 3 * len(l.Schedule) {
		i := l.Schedule[turn%len(l.Schedule)]
		if before, ok := last[i]; ok {
			if gap, share := turn-before, l.Weight/l.Members[i].Weight; gap > 2*share {
				t.Errorf("member %d waited %d turns, its share is one in %d", i, gap, share)
			}
		}
		last[i] = turn
	}
}

func TestManyMembers(t *testing.T) {
	weights := make([]int, 3000)
	for i := range weights {
		weights[i] = 1 + i%2
	}
	seen := map[uint16]bool{}
	for _, i := range lineupOf(weights...).Schedule {
		seen[i] = true
	}
	if len(seen) != len(weights) {
		t.Errorf("%d of %d members have a turn", len(seen), len(weights))
	}
}
