package health

import (
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

func TestBoardShowsTheWorst(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	ejected := pool.Verdict{Down: true, Ejected: true, Since: early, Reason: "ejected"}
	first := pool.Verdict{Down: true, Since: early, Reason: "first"}
	second := pool.Verdict{Down: true, Since: late, Reason: "second"}
	for name, c := range map[string]struct {
		posted []pool.Verdict
		want   pool.Verdict
	}{
		"a check outweighs an ejection": {[]pool.Verdict{ejected, second}, second},
		"the older one stays":           {[]pool.Verdict{second, first, ejected}, first},
		"one alone":                     {[]pool.Verdict{ejected}, ejected},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBoard()
			for i, v := range c.posted {
				b.Post("live/a/shop", string(rune('a'+i)), v)
			}
			if got := b.Verdicts()["live/a/shop"]; got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			for i := range c.posted {
				b.Withdraw("live/a/shop", string(rune('a'+i)))
			}
			if left := b.Verdicts(); len(left) != 0 {
				t.Errorf("left on the board: %v", left)
			}
		})
	}
}

func TestBoardWakesEverySubscriberOnce(t *testing.T) {
	b := NewBoard()
	one, cancelOne := b.Subscribe()
	two, cancelTwo := b.Subscribe()
	defer cancelTwo()
	v := pool.Verdict{Down: true, Reason: "refused"}
	b.Post("i", "judge", v)
	b.Post("i", "judge", v)
	b.Withdraw("i", "nobody")
	if !pending(one) || !pending(two) {
		t.Fatal("a subscriber was not told")
	}
	if pending(one) {
		t.Fatal("told twice of what was one change")
	}
	before := b.Verdicts()
	b.Post("i", "judge", v)
	if pending(two) {
		t.Fatal("told of a verdict that was posted again")
	}
	cancelOne()
	b.Withdraw("i", "judge")
	if pending(one) || !pending(two) {
		t.Fatal("cancel did not end the subscription, or ended another")
	}
	if len(before) != 1 {
		t.Fatal("a map handed out was changed")
	}
}

func pending(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
