package notify

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/fairlead/fairlead/healer"
)

// Config are the settings of a Notifier. What is zero takes its default.
type Config struct {
	// Dir is where the queues are kept, one file NAME.json for each receiver. It belongs to one process.
	Dir       string
	Receivers []Receiver
	// Repeat is how often a matter is told again while it lasts (4 hours).
	Repeat time.Duration
	// Update is how long after a message its matter may be told again because its words changed (5 minutes). Another event is told at once.
	Update time.Duration
	// Timeout is how long one attempt to deliver may take (10 seconds).
	Timeout time.Duration
	// RetryMin is the time after a failed attempt until the next (1 second). It doubles up to RetryMax (5 minutes).
	RetryMin, RetryMax time.Duration
	// KeepFor is how long a message that cannot be delivered is tried (7 days).
	KeepFor time.Duration
	// MaxMessages (1000) and MaxBytes (1 MiB; at least MinBytes) bound each queue. MaxMessages bounds the matters followed, too.
	MaxMessages, MaxBytes int
	// SaveRetry is the time after a failed attempt to write a queue to the disk until the next (10 seconds).
	SaveRetry time.Duration
	// Matters, if any, says what is open, for what Notify was not told: the end of a matter while this process was down, or a matter that
	// another healer began. open has everything that this process speaks of; all says that nothing else is open, rather than that somebody
	// else speaks of it; ok is false if that is not known.
	Matters func() (open []healer.Notice, all, ok bool)
	// Follow is how often Matters is asked (10 seconds).
	Follow time.Duration
	// Logger is told of failures; nil discards.
	Logger *slog.Logger
}

// MinBytes is the least bound of a queue: some messages of the greatest length.
const MinBytes = 4 * maxText

// Receiver is one of Webhook, Email and Command.
type Receiver struct {
	// Name is unique, and part of the queue's file name. Without one it is made of what the receiver is, so that another address is another
	// receiver.
	Name    string
	Webhook *Webhook
	Email   *Email
	Command *Command
}

func (c Config) withDefaults() Config {
	c.Repeat = cmp.Or(c.Repeat, 4*time.Hour)
	c.Update = cmp.Or(c.Update, 5*time.Minute)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.RetryMin = cmp.Or(c.RetryMin, time.Second)
	c.RetryMax = cmp.Or(c.RetryMax, 5*time.Minute)
	c.KeepFor = cmp.Or(c.KeepFor, 7*24*time.Hour)
	c.MaxMessages = cmp.Or(c.MaxMessages, 1000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 1<<20)
	c.SaveRetry = cmp.Or(c.SaveRetry, 10*time.Second)
	c.Follow = cmp.Or(c.Follow, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	if c.Dir == "" {
		return errors.New("notifications need a directory to keep their queues in")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"repeat", c.Repeat}, {"update", c.Update}, {"time-out", c.Timeout}, {"least retry", c.RetryMin}, {"longest retry", c.RetryMax},
		{"keeping", c.KeepFor}, {"save retry", c.SaveRetry}, {"follow", c.Follow},
	} {
		if d.value < 0 {
			return fmt.Errorf("the %s time of notifications is %s, it must be positive", d.name, d.value)
		}
	}
	if c.RetryMax < c.RetryMin {
		return fmt.Errorf("the longest retry time of notifications (%s) is below the least (%s)", c.RetryMax, c.RetryMin)
	}
	if c.MaxMessages < 1 {
		return fmt.Errorf("a queue of %d notifications holds none; allow at least 1", c.MaxMessages)
	}
	if c.MaxBytes < MinBytes {
		return fmt.Errorf("a queue of notifications of %d bytes is too small; allow at least %d", c.MaxBytes, MinBytes)
	}
	return nil
}

func (c Config) limits() limits {
	return limits{
		repeat: c.Repeat, update: min(c.Update, c.Repeat), retryMin: c.RetryMin, retryMax: c.RetryMax, keep: c.KeepFor,
		messages: c.MaxMessages, bytes: c.MaxBytes,
	}
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// open returns the receiver's sender, its kind and its name.
func (r Receiver) open() (s sender, kind, name string, err error) {
	var target string
	count := 0
	if r.Webhook != nil {
		count, kind, target = count+1, "webhook", r.Webhook.URL+" "+r.Webhook.Secret.String()
		s, err = newWebhook(*r.Webhook)
	}
	if r.Email != nil {
		count, kind, target = count+1, "email", fmt.Sprint(r.Email.Server, r.Email.To)
		s, err = newEmail(*r.Email)
	}
	if r.Command != nil {
		count, kind, target = count+1, "command", fmt.Sprintf("%q", r.Command.Argv)
		s, err = newCommand(*r.Command)
	}
	name = cmp.Or(r.Name, kind+"-"+digest(target)[:8])
	switch {
	case count != 1:
		return nil, "", "", fmt.Errorf("a receiver of notifications (%q) is one of webhook, email and command, not %d of them", r.Name, count)
	case !validName.MatchString(name):
		return nil, "", "", fmt.Errorf("the name %q of a receiver must be up to 63 letters, digits, dots, dashes and underscores", name)
	case err != nil:
		return nil, "", "", fmt.Errorf("receiver %s: %w", name, err)
	}
	return s, kind, name, nil
}
