package notify

import (
	"slices"
	"time"
)

// fit drops messages until the queue is within its bounds: the oldest repeats first, then the oldest updates, then the oldest.
func (b *book) fit(now time.Time) {
	for len(b.Queue) > b.limits.messages || b.bytes() > b.limits.bytes {
		e := b.leastMissed()
		if e == nil {
			return // what is being sent is all there is
		}
		b.drop(e, now)
	}
}

// bytes is the size of the queue.
func (b *book) bytes() (sum int) {
	for _, e := range b.Queue {
		sum += e.size()
	}
	return sum
}

func (b *book) leastMissed() *entry {
	for _, kinds := range [][]Kind{{Repeat}, {Update}, {First, Over}} {
		for _, e := range b.Queue {
			if !e.inFlight && slices.Contains(kinds, e.Kind) {
				return e
			}
		}
	}
	return nil
}

// expire drops what has waited too long.
func (b *book) expire(now time.Time) {
	for _, e := range slices.Clone(b.Queue) {
		if !e.inFlight && now.Sub(e.At) >= b.limits.keep && slices.Contains(b.Queue, e) {
			b.drop(e, now)
		}
	}
}

// drop removes a message, and with a matter's beginning all that was to follow it.
func (b *book) drop(gone *entry, now time.Time) {
	before := len(b.Queue)
	b.Queue = slices.DeleteFunc(b.Queue, func(e *entry) bool {
		return e == gone || gone.Kind == First && e.Episode == gone.Episode && !e.inFlight
	})
	if m := b.Matters[gone.Key]; m != nil && m.Episode == gone.Episode {
		m.Sent = now
	}
	b.lose(before-len(b.Queue), now)
}

func (b *book) lose(count int, now time.Time) {
	if b.Lost.Count == 0 {
		b.Lost.Since = now.Round(0)
	}
	b.Lost.Count += count
	b.dropped += uint64(count)
	b.edits++
}
