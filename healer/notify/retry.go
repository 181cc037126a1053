package notify

import (
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/healer"
)

// retry is what is known of failed attempts. A message that fails alone waits alone. When a second one fails before any has succeeded,
// the receiver is taken for dead, and is tried with one message at a time.
type retry struct {
	failing map[string]bool // IDs of messages that failed since the last success
	fails   int             // attempts that failed since then
	gate    time.Time       // a dead receiver is not tried before
	loss    *entry          // tells of Lost
	told    int             // the count it tells of
}

// next returns the message to send now and marks it as being sent, or else the time to look again; zero if there is nothing to wait for.
func (b *book) next(name string, now time.Time) (*entry, time.Time) {
	var best *entry
	for _, e := range b.heads(name, now) {
		if best == nil || e.next.Before(best.next) || e.next.Equal(best.next) && e.attempts < best.attempts {
			best = e
		}
	}
	if best == nil {
		return nil, time.Time{}
	}
	from := best.next
	if len(b.retry.failing) > 1 && b.retry.gate.After(from) {
		from = b.retry.gate
	}
	if from.After(now) {
		return nil, from
	}
	best.inFlight = true
	return best, time.Time{}
}

// heads are the messages that may be sent: the first of each matter, and before them what was lost.
func (b *book) heads(name string, now time.Time) []*entry {
	var heads []*entry
	if b.Lost.Count > 0 {
		heads = append(heads, b.loss(name, now))
	}
	seen := map[string]bool{}
	for _, e := range b.Queue {
		if !seen[e.Key] {
			seen[e.Key] = true
			heads = append(heads, e)
		}
	}
	return heads
}

// loss is the message about lost ones. It is none of the queue's, so that a full one has room for it.
func (b *book) loss(name string, now time.Time) *entry {
	if b.retry.loss == nil {
		b.retry.loss = &entry{Message: Message{ID: "lost-" + name + "-" + b.Lost.Since.UTC().Format(time.RFC3339Nano), Kind: First, At: now.Round(0)}}
	}
	e := b.retry.loss
	b.retry.told = b.Lost.Count
	e.Notice = healer.Notice{Key: lossKey(name), Event: Dropped, Since: b.Lost.Since, Text: fmt.Sprintf(
		"%d messages to receiver %s were dropped since %s, as its queue was full or they could not be delivered for too long. Look at the state of the services.",
		b.Lost.Count, name, b.Lost.Since.UTC().Format(time.RFC3339))}
	return e
}

func lossKey(name string) string { return "notify/" + name + "/dropped" }

// delivered notes that a message arrived. Whatever else waits may be tried at once. lossTold says that it was the one about lost ones.
func (b *book) delivered(e *entry, now time.Time) (lossTold bool) {
	b.edits++
	b.retry.failing, b.retry.fails, b.retry.gate = nil, 0, time.Time{}
	for _, other := range b.Queue {
		other.next = time.Time{}
	}
	if e == b.retry.loss {
		b.Lost.Count -= b.retry.told
		b.retry.loss = nil
		return true
	}
	b.Queue = slices.DeleteFunc(b.Queue, func(other *entry) bool { return other == e })
	if m := b.Matters[e.Key]; m != nil && m.Episode == e.Episode {
		m.Told, m.Sent = true, now
	}
	return false
}

// failed notes that an attempt failed.
func (b *book) failed(e *entry, now time.Time) {
	if b.retry.failing == nil {
		b.retry.failing = map[string]bool{}
	}
	e.inFlight = false
	e.attempts++
	e.next = now.Add(b.backoff(e.attempts))
	b.retry.failing[e.ID] = true
	b.retry.fails++
	b.retry.gate = now.Add(b.backoff(b.retry.fails))
	if m := b.Matters[e.Key]; m != nil && m.Episode == e.Episode {
		m.renew(e)
		b.edits++
	}
}

// backoff is the time after so many failures.
func (b *book) backoff(failures int) time.Duration {
	wait := b.limits.retryMin
	for range failures - 1 {
		if wait >= b.limits.retryMax/2 {
			return b.limits.retryMax
		}
		wait *= 2
	}
	return min(wait, b.limits.retryMax)
}
