package lane

import (
	"math/bits"
	"time"
)

const (
	// tick is the wheel's grain: a time limit is kept up to that much too late.
	tick = 10 * time.Millisecond
	// spokes is the number of its slots; what is due later is looked at once a turn. It is a power of two.
	spokes = 1024
)

// timer is something that is due at some time, in a wheel. It is in at most one slot, at the latest in that of its time; moving that time
// forward, as every request does, costs nothing but an assignment, since the slot is looked at when its turn comes.
type timer struct {
	due        int64 // nanoseconds since the wheel's start; 0 for never
	slot       int64 // the tick it is looked at; 0 for not in the wheel
	prev, next *timer
	of         *guest
}

// wheel is a timing wheel (Varghese and Lauck, 1987): setting, moving and taking out a timer are of constant cost.
type wheel struct {
	start time.Time
	now   int64 // the tick that was looked at last
	slots [spokes]*timer
	used  [spokes / 64]uint64 // the slots that are not empty
}

// set makes t due d after now.
func (w *wheel) set(t *timer, now time.Time, d time.Duration) {
	t.due = int64(now.Sub(w.start) + d)
	at := t.due/int64(tick) + 1
	if t.slot != 0 {
		if t.slot <= at {
			return
		}
		w.remove(t)
	}
	w.insert(t, at)
}

// insert puts t into the slot of a tick, or the farthest there is.
func (w *wheel) insert(t *timer, at int64) {
	at = max(w.now+1, min(at, w.now+spokes-1))
	i := at % spokes
	t.slot, t.prev, t.next = at, nil, w.slots[i]
	if t.next != nil {
		t.next.prev = t
	}
	w.slots[i] = t
	w.used[i/64] |= 1 << (i % 64)
}

// remove takes t out.
func (w *wheel) remove(t *timer) {
	if t.slot == 0 {
		return
	}
	i := t.slot % spokes
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		w.slots[i] = t.next
		if t.next == nil {
			w.used[i/64] &^= 1 << (i % 64)
		}
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.slot, t.prev, t.next = 0, nil, nil
}

// turn takes out one timer that is due, nil if there is none. It is called until it returns nil.
func (w *wheel) turn(now time.Time) *timer {
	today := int64(now.Sub(w.start))
	for last := today / int64(tick); ; w.now++ {
		for t := w.slots[w.now%spokes]; t != nil; t = w.slots[w.now%spokes] {
			w.remove(t)
			switch {
			case t.due == 0:
			case t.due <= today:
				return t
			default:
				w.insert(t, t.due/int64(tick)+1)
			}
		}
		if w.now >= last {
			return nil
		}
	}
}

// wait returns how long it is until a slot has to be looked at, at most a second.
func (w *wheel) wait(now time.Time) time.Duration {
	const most = int64(time.Second / tick)
	for ahead := int64(1); ahead < most; {
		i := (w.now + ahead) % spokes
		if word := w.used[i/64] >> (i % 64); word != 0 {
			ahead += int64(bits.TrailingZeros64(word))
			return min(time.Second, max(0, time.Duration((w.now+ahead)*int64(tick))-now.Sub(w.start)))
		}
		ahead += 64 - i%64
	}
	return time.Second
}
