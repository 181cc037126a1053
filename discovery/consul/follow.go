package consul

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What a watch's handler returns to end it, and with it the strategy: the source then begins again with what it holds.
var (
	errFell    = errors.New("the index went backwards: everything is read again")
	errOutgrew = errors.New("the catalog has outgrown the way it is followed")
)

// errDone ends one watch only.
var errDone = errors.New("nothing left to watch")

// target is something to watch.
type target struct {
	subject subject
	path    string
	wait    time.Duration
	index   uint64 // from which on: 0 asks for the present state first
	direct  bool   // see ask
	canary  bool   // when it falls silent, the connections are dead
}

// follow keeps a blocking query on the target and hands every believable answer to handle, until ctx ends or handle returns one of
// the errors above. Any other error of handle is a doubt, like an error of the query: the target is asked again after a pause, and
// without waiting, so that an agent that is back is noticed at once. What is asked without waiting is asked of the leader: a server
// that lags would seem to have gone backwards.
func follow[T any](ctx context.Context, s *Source, t target, handle func(context.Context, T, answer) error) error {
	s.watching(1)
	defer s.watching(-1)
	index, failures := t.index, 0
	limit := newLimiter(s.config.Interval)
	for {
		how := ask{direct: t.direct}
		if failures == 0 && index > 0 {
			how.index, how.wait, how.stale = index, spread(t.wait), s.config.Stale
		}
		var body T
		got, err := s.client.read(ctx, t.path, how, &body)
		if err == nil {
			err = handle(ctx, body, got)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errFell), errors.Is(err, errOutgrew), errors.Is(err, errDone):
			return err
		case err != nil:
			failures++
			s.doubts.raise(t.subject, err)
			// Once, and only if the others would notice later: an agent that is merely slow would get as many connections more, and
			// it counts the closed ones until their waits are over.
			if t.canary && failures == 1 && how.index > 0 && t.wait < s.config.Wait && errors.Is(err, context.DeadlineExceeded) {
				s.client.transport.redial()
			}
			if err := sleep(ctx, backoff(s.config.BackoffMin, s.config.BackoffMax, failures)); err != nil {
				return err
			}
			continue
		}
		failures, index = 0, got.index
		s.believed(t, got.index)
		if err := sleep(ctx, limit.delay(time.Now(), min(s.config.MaxPause, got.took))); err != nil {
			return err
		}
	}
}

// rising refuses an index below the last one.
type rising struct{ last uint64 }

func (r *rising) check(index uint64) error {
	if index < r.last {
		return fmt.Errorf("%w (from %d to %d)", errFell, r.last, index)
	}
	r.last = index
	return nil
}
