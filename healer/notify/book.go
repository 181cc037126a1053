package notify

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/healer"
)

// limits are the settings of a book.
type limits struct {
	repeat, update     time.Duration
	retryMin, retryMax time.Duration
	keep               time.Duration
	messages, bytes    int
}

// book is all that is to be remembered of one receiver: what it has been told of, and what it is yet to be told. It is not safe for
// concurrent use.
type book struct {
	Matters map[string]*matter `json:"matters"` // by key
	Queue   []*entry           `json:"queue"`   // in the order they came
	Lost    lost               `json:"lost"`

	limits  limits
	retry   retry
	strange map[string]int // how often in a row agree has found what is not followed, by key
	edits   uint64         // changes to what a file has
	dropped uint64         // messages, since the start
}

// matter is something that lasts.
type matter struct {
	Episode string        `json:"episode"`
	Notice  healer.Notice `json:"notice"`
	// Sent is when its latest message was queued or, once it was, delivered.
	Sent time.Time `json:"sent"`
	// Told says that a message of this episode has been delivered.
	Told bool `json:"told,omitempty"`
	// Changed says that Notice is not what was queued last, Turned that not even the event is.
	Changed bool `json:"changed,omitempty"`
	Turned  bool `json:"turned,omitempty"`

	missed int // how often in a row agree did not find it
}

// lost counts messages that were dropped and of which the receiver has not been told.
type lost struct {
	Count int       `json:"count"`
	Since time.Time `json:"since"`
}

func newBook(l limits) *book {
	return &book{Matters: map[string]*matter{}, limits: l}
}

// mend makes a book that was read from a file usable: what is not whole is left out, and no time lies in the future, as after a
// clock that was wrong.
func (b *book) mend(l limits, now time.Time) {
	b.limits = l
	b.edits++
	if b.Matters == nil {
		b.Matters = map[string]*matter{}
	}
	maps.DeleteFunc(b.Matters, func(key string, m *matter) bool { return m == nil || m.Notice.Key != key || m.Notice.Resolved })
	for _, m := range b.Matters {
		m.Sent = earlier(m.Sent, now)
		m.Notice = tidy(m.Notice)
	}
	b.Queue = slices.DeleteFunc(b.Queue, func(e *entry) bool { return e == nil || e.ID == "" })
	for _, e := range b.Queue {
		e.At = earlier(e.At, now)
		e.Notice = tidy(e.Notice)
	}
	b.Lost.Count = max(0, b.Lost.Count)
	b.fit(now)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// offer takes a notice in.
func (b *book) offer(n healer.Notice, now time.Time) {
	n = tidy(n)
	m := b.Matters[n.Key]
	switch {
	case n.Resolved && m != nil:
		b.end(m, n, now)
	case n.Resolved: // nothing to end
	case m == nil:
		b.begin(n, now)
	default:
		b.change(m, n)
	}
	b.fit(now)
}

func (b *book) begin(n healer.Notice, now time.Time) {
	m := &matter{Notice: n, Sent: now}
	b.follow(m, now)
	m.Episode = b.push(First, "", n, now).ID
}

// follow keeps a new matter. Beyond the bound, the one told longest ago is forgotten.
func (b *book) follow(m *matter, now time.Time) {
	if len(b.Matters) >= b.limits.messages {
		keys := slices.Sorted(maps.Keys(b.Matters))
		oldest := slices.MinFunc(keys, func(x, y string) int { return b.Matters[x].Sent.Compare(b.Matters[y].Sent) })
		delete(b.Matters, oldest)
		b.lose(1, now)
	}
	b.Matters[m.Notice.Key] = m
	b.edits++
}

// change takes new words for a matter: into the message that waits, if there is one, so that it is up to date when it arrives.
func (b *book) change(m *matter, n healer.Notice) {
	if m.Notice.Event == n.Event && m.Notice.Text == n.Text {
		return
	}
	m.Changed, m.Turned = true, m.Turned || m.Notice.Event != n.Event
	m.Notice = n
	b.edits++
	if e := b.pending(m.Episode); e != nil {
		m.renew(e)
	}
}

// renew puts a matter's new words into a message that waits. If it was tried it may have arrived, so that it is another message then.
func (m *matter) renew(e *entry) {
	if !m.Changed || e.inFlight {
		return
	}
	e.Notice = m.Notice
	if e.attempts > 0 {
		e.ID = rand.Text()
	}
	if e.Kind == Repeat {
		e.Kind = Update
	}
	m.Changed, m.Turned = false, false
}

// end ends a matter. It is told if its beginning was or will be; a reminder that waits is not needed any more.
func (b *book) end(m *matter, n healer.Notice, now time.Time) {
	delete(b.Matters, n.Key)
	b.edits++
	b.Queue = slices.DeleteFunc(b.Queue, func(e *entry) bool {
		return e.Episode == m.Episode && e.Kind == Repeat && !e.inFlight
	})
	if m.Told || b.pending(m.Episode) != nil {
		b.push(Over, m.Episode, n, now)
	}
}

func (b *book) push(kind Kind, episode string, n healer.Notice, now time.Time) *entry {
	e := &entry{Message: Message{Notice: n, ID: rand.Text(), Kind: kind, At: now.Round(0)}, Episode: episode}
	if episode == "" {
		e.Episode = e.ID
	}
	b.Queue = append(b.Queue, e)
	b.edits++
	return e
}

// pending returns the last message of an episode that is not delivered yet.
func (b *book) pending(episode string) *entry {
	for _, e := range slices.Backward(b.Queue) {
		if e.Episode == episode {
			return e
		}
	}
	return nil
}

// raise queues what is due and drops what is too old. It returns when the next matter will be due, or the zero time.
func (b *book) raise(now time.Time) (next time.Time) {
	b.expire(now)
	waiting := map[string]bool{}
	for _, e := range b.Queue {
		waiting[e.Episode] = true
	}
	for _, key := range slices.Sorted(maps.Keys(b.Matters)) {
		m := b.Matters[key]
		if waiting[m.Episode] {
			continue
		}
		if due := b.due(m); due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		b.again(m, now)
	}
	b.fit(now)
	return next
}

func (b *book) due(m *matter) time.Time {
	switch {
	case m.Turned:
		return m.Sent
	case m.Changed:
		return m.Sent.Add(b.limits.update)
	}
	return m.Sent.Add(b.limits.repeat)
}

// again queues a message about a matter whose beginning is not waiting.
func (b *book) again(m *matter, now time.Time) {
	kind := Repeat
	switch {
	case !m.Told: // its beginning was dropped
		kind = First
	case m.Changed:
		kind = Update
	}
	e := b.push(kind, m.Episode, m.Notice, now)
	e.Notice.Resolved = false
	m.Sent, m.Changed, m.Turned = now, false, false
}
