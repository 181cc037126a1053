package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/healer"
)

// sender delivers one message before ctx ends. The note says what went wrong although it is delivered. Neither it nor the error
// contains a secret.
type sender interface {
	send(ctx context.Context, m Message) (note string, err error)
}

var (
	_ sender = (*webhook)(nil)
	_ sender = (*email)(nil)
	_ sender = (*command)(nil)
)

// receiver has one who is told, and the queue for him.
type receiver struct {
	name, kind string
	path       string // of the queue's file
	sender     sender
	limits     limits
	timeout    time.Duration
	saveRetry  time.Duration
	log        *slog.Logger
	// others tells the other receivers of this one.
	others func(n healer.Notice)

	woken chan struct{} // capacity 1: there may be something to send
	dirty chan struct{} // capacity 1: there is something to save

	mu     sync.Mutex
	book   *book
	loaded bool // the file has been read; before that, notices wait in early
	early  []healer.Notice
	tally  tally
}

// tally is what the status says and no file keeps.
type tally struct {
	delivered, failed          uint64
	lastError                  string
	lastErrorAt, lastDelivered time.Time
	storage                    string
}

// maxError bounds the last error that the status shows, in bytes.
const maxError = 500

func newReceiver(c Config, name, kind string, s sender) *receiver {
	return &receiver{
		name: name, kind: kind, path: filepath.Join(c.Dir, name+".json"), sender: s, limits: c.limits(), timeout: c.Timeout,
		saveRetry: c.SaveRetry, log: c.Logger.With("receiver", name), others: func(healer.Notice) {},
		woken: make(chan struct{}, 1), dirty: make(chan struct{}, 1), book: newBook(c.limits()),
		tally: tally{storage: "not running"},
	}
}

// offer queues a notice and returns at once.
func (r *receiver) offer(n healer.Notice) {
	r.edit(func(b *book, now time.Time) {
		switch {
		case r.loaded:
			b.offer(n, now)
		case len(r.early) < r.limits.messages:
			r.early = append(r.early, tidy(n))
		default:
			b.lose(1, now)
		}
	})
	signal(r.woken)
}

// agree takes in what is open.
func (r *receiver) agree(open []healer.Notice, all bool) {
	r.edit(func(b *book, now time.Time) {
		if r.loaded {
			b.agree(open, all, now)
		}
	})
	signal(r.woken)
}

// edit changes the book, has it saved if it is another then, and tells of what it had to drop.
func (r *receiver) edit(change func(b *book, now time.Time)) {
	r.mu.Lock()
	edits, dropped, untold := r.book.edits, r.book.dropped, r.book.Lost.Count
	change(r.book, time.Now())
	changed := r.book.edits != edits
	dropped = r.book.dropped - dropped
	begun := untold == 0 && r.book.Lost.Count > 0
	why := r.tally.lastError
	r.mu.Unlock()
	if changed {
		signal(r.dirty)
	}
	if dropped > 0 {
		r.log.Error("messages dropped", "count", dropped, "queued_at_most", r.limits.messages, "last_error", why)
	}
	if begun {
		r.others(r.troubled(why))
	}
}

// troubled is what the others are told when messages are dropped.
func (r *receiver) troubled(why string) healer.Notice {
	text := fmt.Sprintf("Messages to receiver %s are dropped, as its queue is full or they could not be delivered for too long.", r.name)
	if why != "" {
		text += " Last error: " + why + "."
	}
	return healer.Notice{Key: lossKey(r.name), Event: Dropped, Text: text, Since: time.Now().UTC().Truncate(time.Second)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run sends until ctx ends. The queue is on the disk when it returns, unless the disk refuses.
func (r *receiver) run(ctx context.Context) error {
	release, err := lease(ctx, r.path)
	if err != nil {
		return err
	}
	defer release()
	r.load()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.deliverAll(ctx) })
	g.Go(func() error { return r.saveAll(ctx) })
	err = g.Wait()
	r.save()
	return err
}

// deliverAll sends what is to be sent, one message after another.
func (r *receiver) deliverAll(ctx context.Context) error {
	for ctx.Err() == nil {
		e, message, at := r.choose()
		if e != nil {
			r.deliver(ctx, e, message)
			continue
		}
		if !r.rest(ctx, at) {
			break
		}
	}
	return ctx.Err()
}

// choose queues what is due, and returns a message to send or the time to look again, which may be zero.
func (r *receiver) choose() (e *entry, message Message, at time.Time) {
	var due time.Time
	r.edit(func(b *book, now time.Time) {
		due = b.raise(now)
		e, at = b.next(r.name, now)
		if e != nil {
			message = e.Message
		}
	})
	if at.IsZero() || !due.IsZero() && due.Before(at) {
		at = due
	}
	return e, message, at
}

// rest waits until a time, or a signal, or ctx's end, which it reports as false.
func (r *receiver) rest(ctx context.Context, until time.Time) bool {
	var alarm <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-r.woken:
	case <-alarm:
	}
	return true
}

func (r *receiver) deliver(ctx context.Context, e *entry, m Message) {
	attempt, cancel := context.WithTimeout(ctx, r.timeout)
	note, err := r.sender.send(attempt, m)
	cancel()
	if err != nil && ctx.Err() != nil {
		return // neither delivered nor failed: it is in the queue for the next start
	}
	recovered := r.settle(e, note, err)
	log := r.log.With("key", m.Key, "event", m.Event, "kind", m.Kind, "id", m.ID)
	switch {
	case err != nil:
		log.Warn("message not delivered, trying again", "error", err)
	case note != "":
		log.Warn("message delivered, but not to all", "error", note)
	default:
		log.Info("message delivered")
	}
	if recovered {
		r.others(healer.Notice{Key: lossKey(r.name), Event: Dropped, Resolved: true, Since: m.Since,
			Text: fmt.Sprintf("Over: receiver %s takes messages again, and was told how many are lost.", r.name)})
	}
}

// settle notes the outcome of an attempt. It reports whether a loss has just been told.
func (r *receiver) settle(e *entry, note string, err error) (recovered bool) {
	r.edit(func(b *book, now time.Time) {
		if err != nil {
			b.failed(e, now)
			r.tally.failed++
			note = err.Error()
			if errors.Is(err, context.DeadlineExceeded) {
				note = fmt.Sprintf("no success within %s", r.timeout)
			}
		} else {
			recovered = b.delivered(e, now) && b.Lost.Count == 0
			r.tally.delivered++
			r.tally.lastDelivered = now
		}
		if note != "" {
			r.tally.lastError, r.tally.lastErrorAt = shorten(strings.ReplaceAll(note, "\n", "; "), maxError), now
		}
	})
	return recovered
}

// encode returns the book as a file has it.
func (r *receiver) encode() (json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return json.Marshal(r.book)
}
