package notify

import (
	"encoding/json"
	"testing"
	"time"
)

// FuzzBook reads any file as a queue: it must be usable, within its bounds, and be the same when it is read again.
func FuzzBook(f *testing.F) {
	b := newBook(testLimits())
	b.offer(few("shop", "2 of 3"), noon)
	b.offer(few("db", "1 of 2"), noon)
	b.delivered(b.Queue[0], noon)
	b.raise(noon.Add(b.limits.repeat))
	b.offer(over(few("db", "1 of 2")), noon)
	whole, err := json.Marshal(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"matters":{"a":null},"queue":[null,{"id":"x","kind":"?"},{"id":"x","at":"9999-12-31T23:59:59Z"}],"lost":{"count":-1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBook(testLimits())
		if err := json.Unmarshal(data, b); err != nil {
			return
		}
		l := testLimits()
		l.messages, l.bytes = 5, MinBytes
		b.mend(l, noon)
		at := noon
		for i := range 50 {
			at = at.Add(time.Hour)
			b.offer(few("shop", "2 of 3"), at)
			b.raise(at)
			if e, _ := b.next("a", at); e != nil {
				if i%3 == 0 {
					b.failed(e, at)
				} else {
					b.delivered(e, at)
				}
			}
			b.offer(over(few("shop", "2 of 3")), at)
			if len(b.Queue) > l.messages || b.bytes() > l.bytes {
				t.Fatalf("%d messages, %d bytes", len(b.Queue), b.bytes())
			}
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		again := newBook(l)
		if err := json.Unmarshal(text, again); err != nil {
			t.Fatal(err)
		}
		again.mend(l, at)
		if second, err := json.Marshal(again); err != nil || string(second) != string(text) {
			t.Errorf("read again it is\n%s (%v), was\n%s", second, err, text)
		}
	})
}
