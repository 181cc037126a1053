package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/healer"
)

// few is the notice that too few are present.
func few(domain, text string) healer.Notice {
	return healer.Notice{Key: "live/" + domain + "/few", Event: healer.TooFew, Cluster: "live", Service: domain, Text: text,
		Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// over ends the matter of a notice.
func over(n healer.Notice) healer.Notice {
	n.Resolved, n.Event, n.Text = true, healer.Healed, "Over: "+n.Text
	return n
}

// script is a sender that does what a test says.
type script struct {
	mu       sync.Mutex
	received []Message
	attempts int
	// answer, if any, decides on a message; it may block until ctx ends.
	answer func(ctx context.Context, m Message) error
}

func (s *script) send(ctx context.Context, m Message) (string, error) {
	s.mu.Lock()
	s.attempts++
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, m); err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, m)
	return "", nil
}

func (s *script) reply(answer func(ctx context.Context, m Message) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *script) dead() { s.reply(func(context.Context, Message) error { return errDead }) }

func (s *script) hanging() {
	s.reply(func(ctx context.Context, _ Message) error { <-ctx.Done(); return ctx.Err() })
}

var errDead = errors.New("connection refused")

// take returns what was received since the last call, as KIND SERVICE TEXT.
func (s *script) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, m := range s.received {
		lines = append(lines, string(m.Kind)+" "+m.Service+" "+m.Text)
	}
	s.received = nil
	return lines
}

func (s *script) tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// notifier returns one with scripted receivers, named a, b, ...
func notifier(t *testing.T, c Config, senders ...sender) *Notifier {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range senders {
		n.add(newReceiver(c.withDefaults(), string(rune('a'+i)), "script", s))
	}
	return n
}

// start runs a notifier until stop is called, which waits for its end.
func start(t *testing.T, n *Notifier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		})
	}
	return stop
}

// eventually waits for what happens outside of our own timers.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func want(t *testing.T, when string, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Errorf("%s:\n got %q\nwant %q", when, got, lines)
	}
}
