package health

import (
	"math/rand/v2"
	"testing"
)

func TestHysteresis(t *testing.T) {
	for name, c := range map[string]struct {
		start      Hysteresis
		results    string // + and -
		rise, fall int
		want       string // u and d after each result
	}{
		"the first failure decides":          {results: "-", rise: 2, fall: 3, want: "d"},
		"the first success decides":          {results: "+--", rise: 2, fall: 3, want: "uuu"},
		"falls after fall failures in a row": {results: "+--+---", rise: 2, fall: 3, want: "uuuuuud"},
		"rises after rise successes in a row": {
			results: "-+-++", rise: 2, fall: 3, want: "ddddu",
		},
		"one is at once":          {results: "+-+-", rise: 1, fall: 1, want: "udud"},
		"less than one is one":    {results: "+-+-", rise: 0, fall: -1, want: "udud"},
		"unproven down recovers":  {start: Unproven(true), results: "+", rise: 3, fall: 3, want: "u"},
		"unproven down stays":     {start: Unproven(true), results: "-++", rise: 2, fall: 3, want: "ddu"},
		"unproven up is the zero": {start: Unproven(false), results: "-", rise: 2, fall: 3, want: "d"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for h, i := c.start, 0; i < len(c.results); i++ {
				h = h.Next(c.results[i] == '+', c.rise, c.fall)
				got += map[bool]string{false: "u", true: "d"}[h.Down()]
			}
			if got != c.want {
				t.Errorf("after %s: %s, want %s", c.results, got, c.want)
			}
		})
	}
}

// After the first result, a state only ever changes with the last of rise or fall results in a row that contradict it.
func TestHysteresisChangesOnlyAfterARow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		rise, fall := 1+random.IntN(4), 1+random.IntN(4)
		h, row, last := Hysteresis{}, 0, false
		for i := range 100 {
			ok := random.IntN(2) == 0
			if ok == last && i > 0 {
				row++
			} else {
				row, last = 1, ok
			}
			next := h.Next(ok, rise, fall)
			enough := fall
			if h.Down() {
				enough = rise
			}
			if i > 0 && next.Down() != h.Down() && row < enough {
				t.Fatalf("changed after %d in a row, rise %d, fall %d", row, rise, fall)
			}
			if i > 0 && row >= max(rise, fall) && next.Down() == ok {
				t.Fatalf("did not follow %d results in a row, rise %d, fall %d", row, rise, fall)
			}
			h = next
		}
	}
}
