package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

var hashing = pool.Settings{"policy": "hash"}

// TestHashIsStable: a member that goes moves its own keys only, and evenly to all others; one that comes takes keys only to itself.
func TestHashIsStable(t *testing.T) {
	for _, weights := range [][]int{{1, 1, 1, 1, 1}, {1, 2, 3, 4, 5}} {
		var members []discovery.Instance
		for _, w := range weights {
			members = append(members, weight(w))
		}
		before := poolOf(hashing, members...)
		members[2].Health = discovery.Critical
		after := poolOf(hashing, members...)
		moved := make([]int, 6)
		for n := range 15000 {
			key := HashString(fmt.Sprintf("192.0.2.%d", n))
			old, now := position(before, Choose(before, key, nil)), position(after, Choose(after, key, nil))
			if old != 3 && old != now {
				t.Fatalf("weights %v: key %d moved from member %d, which is still there, to %d", weights, n, old, now)
			}
			if old == 3 {
				moved[now]++
			}
		}
		total := 0
		for _, n := range moved {
			total += n
		}
		for _, m := range []int{1, 2, 4, 5} {
			share := float64(weights[m-1]) / float64(sum(weights)-weights[2])
			within(t, fmt.Sprintf("weights %v: keys moved to member %d", weights, m), float64(moved[m]), share*float64(total), 0.25)
		}
	}
}

func sum(numbers []int) (total int) {
	for _, n := range numbers {
		total += n
	}
	return total
}

// TestHashIsBounded: with one key for all requests, no member carries more than its share of what is in flight.
func TestHashIsBounded(t *testing.T) {
	for _, balance := range []int{101, 125, 200} {
		p := poolOf(pool.Settings{"policy": "hash", "hash_balance": fmt.Sprint(balance)}, weight(1), weight(1), weight(2))
		for n := int64(1); n <= 400; n++ {
			Choose(p, 42, nil).Meter.InFlight.Add(1)
			for _, m := range p.Members {
				bound := math.Ceil(float64(n) * float64(balance) / 100 * float64(m.Weight) / 4)
				if got := m.Meter.InFlight.Load(); float64(got) > bound {
					t.Fatalf("balance %d: %d of %d in flight at a member, want at most %.0f", balance, got, n, bound)
				}
			}
		}
	}
}

// TestHashHolds: below the bound a key keeps its member, however many other keys there are.
func TestHashHolds(t *testing.T) {
	p := poolOf(pool.Settings{"policy": "hash", "hash_balance": "1000"}, equals(4)...)
	r := rand.New(rand.NewPCG(1, 2))
	home := Choose(p, 42, nil)
	for range 1000 {
		Choose(p, r.Uint64(), nil).Meter.InFlight.Add(1)
		if m := Choose(p, 42, nil); m != home {
			t.Fatalf("the key moved from member %d to %d", position(p, home), position(p, m))
		}
	}
}

func TestHashString(t *testing.T) {
	// Edges of different versions must agree: the values are fixed.
	for s, want := range map[string]uint64{"": 0xf52a15e9a9b5e89b, "192.0.2.1": 0x4d0e1bc6845259f5} {
		if got := HashString(s); got != want {
			t.Errorf("HashString(%q) = %#x, want %#x", s, got, want)
		}
	}
	// Every bit of the hash is set half of the time.
	var ones [64]int
	for n := range 4000 {
		h := HashString(fmt.Sprint("10.0.0.", n))
		for bit := range ones {
			ones[bit] += int(h >> bit & 1)
		}
	}
	for bit, n := range ones {
		within(t, fmt.Sprint("bit ", bit), float64(n), 2000, 0.1)
	}
}
