package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/healer"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func testLimits() limits { return Config{}.withDefaults().limits() }

// queued returns the queue as KIND SERVICE.
func queued(b *book) []string {
	var lines []string
	for _, e := range b.Queue {
		lines = append(lines, string(e.Kind)+" "+e.Service)
	}
	return lines
}

// deliver takes the next message as delivered.
func deliver(t *testing.T, b *book, now time.Time) *entry {
	t.Helper()
	e, at := b.next("a", now)
	if e == nil {
		t.Fatalf("nothing to deliver before %s", at)
	}
	b.delivered(e, now)
	return e
}

func TestFullQueueDropsRepeatsFirst(t *testing.T) {
	b := newBook(testLimits())
	for _, service := range []string{"a", "b", "c"} {
		b.offer(few(service, "2 of 3"), noon)
	}
	for range 3 {
		deliver(t, b, noon)
	}
	later := noon.Add(b.limits.repeat)
	b.offer(few("b", "1 of 3"), later)
	b.raise(later)
	want(t, "all again", queued(b), "repeat a", "update b", "repeat c")
	b.limits.messages = 4
	for _, step := range []struct {
		service string
		want    []string
	}{
		{"d", []string{"repeat a", "update b", "repeat c", "first d"}},
		{"e", []string{"update b", "repeat c", "first d", "first e"}},
		{"f", []string{"update b", "first d", "first e", "first f"}},
		{"g", []string{"first d", "first e", "first f", "first g"}},
		{"h", []string{"first e", "first f", "first g", "first h"}},
	} {
		b.offer(few(step.service, "2 of 3"), later)
		want(t, "with "+step.service, queued(b), step.want...)
	}
	b.limits.messages = 6
	b.offer(over(few("e", "2 of 3")), later)
	b.offer(over(few("g", "2 of 3")), later)
	b.offer(few("i", "2 of 3"), later)
	want(t, "a beginning goes with its end", queued(b), "first f", "first g", "first h", "over g", "first i")
}

func TestDroppedBeginningIsToldLater(t *testing.T) {
	b := newBook(testLimits())
	b.offer(few("a", "2 of 3"), noon)
	b.drop(b.Queue[0], noon)
	if next := b.raise(noon); !next.Equal(noon.Add(b.limits.repeat)) || len(b.Queue) != 0 {
		t.Errorf("due at %s with %q", next, queued(b))
	}
	b.raise(noon.Add(b.limits.repeat))
	want(t, "after the time", queued(b), "first a")
}

func TestEndOfADroppedBeginningIsNotTold(t *testing.T) {
	b := newBook(testLimits())
	b.offer(few("a", "2 of 3"), noon)
	b.drop(b.Queue[0], noon)
	b.offer(over(few("a", "2 of 3")), noon)
	want(t, "the end", queued(b))
	if len(b.Matters) != 0 || b.Lost.Count != 1 {
		t.Errorf("%d matters, %d lost", len(b.Matters), b.Lost.Count)
	}
}

func TestQueueBoundInBytes(t *testing.T) {
	b := newBook(testLimits())
	b.limits.bytes = MinBytes
	for i := range 20 {
		b.offer(few(fmt.Sprint(i), strings.Repeat("ü", maxText)), noon)
		if b.bytes() > MinBytes {
			t.Fatalf("%d bytes", b.bytes())
		}
	}
	if len(b.Queue) != 3 || b.Queue[2].Service != "19" || b.Lost.Count != 17 {
		t.Errorf("queued %q, lost %d", queued(b), b.Lost.Count)
	}
	text := b.Queue[0].Text
	if len(text) > maxText || !utf8.ValidString(text) || !strings.HasSuffix(text, cutMark) {
		t.Errorf("the text has %d bytes and ends in %q", len(text), text[len(text)-20:])
	}
}

func TestMattersAreBounded(t *testing.T) {
	b := newBook(testLimits())
	b.limits.messages = 5
	for i := range 50 {
		b.offer(few(fmt.Sprint(i), "2 of 3"), noon.Add(time.Duration(i)))
		deliver(t, b, noon.Add(time.Duration(i)))
		if b.Lost.Count > 0 {
			deliver(t, b, noon.Add(time.Duration(i)))
		}
	}
	if len(b.Matters) != 5 || b.Matters["live/49/few"] == nil || b.Matters["live/45/few"] == nil {
		t.Errorf("%d matters", len(b.Matters))
	}
}

func TestOldMessagesAreDropped(t *testing.T) {
	b := newBook(testLimits())
	b.offer(few("a", "2 of 3"), noon)
	b.offer(over(few("a", "2 of 3")), noon.Add(time.Hour))
	b.offer(few("b", "2 of 3"), noon.Add(time.Hour))
	b.raise(noon.Add(b.limits.keep - time.Second))
	want(t, "in time", queued(b), "first a", "over a", "first b")
	b.raise(noon.Add(b.limits.keep))
	want(t, "too late", queued(b), "first b")
	if b.Lost.Count != 2 {
		t.Errorf("%d lost, want 2", b.Lost.Count)
	}
}

func TestWhatIsBeingSentStays(t *testing.T) {
	b := newBook(testLimits())
	b.offer(few("a", "2 of 3"), noon)
	e, _ := b.next("a", noon)
	if e == nil {
		t.Fatal("nothing to send")
	}
	b.offer(few("a", "1 of 3"), noon)
	if e.Text != "2 of 3" {
		t.Errorf("it became %q while it was sent", e.Text)
	}
	b.limits.messages = 1
	b.offer(over(few("a", "1 of 3")), noon)
	want(t, "the bound", queued(b), "first a")
	b.limits.messages = 10
	id := e.ID
	b.offer(few("a", "0 of 3"), noon)
	b.failed(e, noon)
	if e.Text != "2 of 3" || e.ID != id {
		t.Errorf("a message of an earlier episode became %q", e.Text)
	}
	b.delivered(e, noon)
	b.Lost = lost{} // the reminder of the bound above
	e, _ = b.next("a", noon)
	b.offer(few("a", "3 of 4"), noon)
	b.failed(e, noon)
	if e.Text != "3 of 4" {
		t.Errorf("after a failure the old words stay: %q", e.Text)
	}
}

func TestListThatIsLateChangesNothing(t *testing.T) {
	b := newBook(testLimits())
	shop := few("shop", "2 of 3")
	b.offer(shop, noon)
	deliver(t, b, noon)
	b.agree(nil, true, noon) // a list from before it began
	b.agree([]healer.Notice{shop}, true, noon)
	b.agree(nil, true, noon)
	want(t, "while it lasts", queued(b))
	b.offer(over(shop), noon)
	deliver(t, b, noon)
	b.agree([]healer.Notice{shop}, true, noon) // a list from before it ended
	b.agree(nil, true, noon)
	b.agree([]healer.Notice{shop}, true, noon)
	if len(b.Matters) != 0 || len(b.Queue) != 0 {
		t.Errorf("followed: %v, queued: %q", b.Matters, queued(b))
	}
}

func TestBackoff(t *testing.T) {
	b := newBook(testLimits())
	for failures, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1000000: 5 * time.Minute,
	} {
		if got := b.backoff(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
	b.limits.retryMin, b.limits.retryMax = 3*time.Second, 5*time.Second
	if got := b.backoff(2); got != 5*time.Second {
		t.Errorf("bounded: %s", got)
	}
}

func TestClockThatWasWrong(t *testing.T) {
	b := newBook(testLimits())
	b.offer(few("a", "2 of 3"), noon.Add(1000*time.Hour))
	deliver(t, b, noon.Add(1000*time.Hour))
	b.offer(few("b", "2 of 3"), noon.Add(1000*time.Hour))
	b.mend(b.limits, noon)
	if next := b.raise(noon); !next.Equal(noon.Add(b.limits.repeat)) {
		t.Errorf("due at %s", next)
	}
	if at := b.Queue[0].At; !at.Equal(noon) {
		t.Errorf("queued at %s", at)
	}
}

func TestConfigErrors(t *testing.T) {
	hook := Webhook{URL: "http://127.0.0.1:9000/alert"}
	for _, test := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"no directory", func(c *Config) { c.Dir = "" }, "need a directory"},
		{"negative time", func(c *Config) { c.Repeat = -1 }, "the repeat time of notifications is -1ns"},
		{"retry", func(c *Config) { c.RetryMax = time.Millisecond }, "is below the least"},
		{"count", func(c *Config) { c.MaxMessages = -1 }, "allow at least 1"},
		{"bytes", func(c *Config) { c.MaxBytes = 1000 }, "allow at least 65536"},
		{"two of a name", func(c *Config) { c.Receivers = append(c.Receivers, c.Receivers[0]) }, "two receivers webhook-"},
		{"nothing", func(c *Config) { c.Receivers = []Receiver{{Name: "x"}} }, `("x") is one of webhook, email and command, not 0`},
		{"two in one", func(c *Config) { c.Receivers = []Receiver{{Webhook: &hook, Command: &Command{Argv: []string{"true"}}}} }, "not 2"},
		{"bad name", func(c *Config) { c.Receivers[0].Name = "../x" }, `the name "../x"`},
		{"no command", func(c *Config) { c.Receivers = []Receiver{{Command: &Command{Argv: []string{"/none/such"}}}} }, "the command cannot be run"},
		{"empty command", func(c *Config) { c.Receivers = []Receiver{{Command: &Command{}}} }, "there is no command"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{Dir: t.TempDir(), Receivers: []Receiver{{Webhook: &hook}}}
			if _, err := New(c); err != nil {
				t.Fatal(err)
			}
			test.change(&c)
			if _, err := New(c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestSamplesHaveEveryEvent(t *testing.T) {
	seen := map[healer.Event]bool{}
	for _, m := range samples() {
		seen[m.Event] = true
	}
	if len(seen) != 7 {
		t.Errorf("templates are tried with %d events", len(seen))
	}
}
