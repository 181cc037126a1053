package consul

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// askInTurn asks the nodes that have no watch whenever the list of services changes, in rounds that take a third of the time at most
// when changes go on. It does nothing while every node has a watch.
func (w *nodeWatches) askInTurn(ctx context.Context) error {
	s := w.source
	limit := newLimiter(s.config.Interval)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.poll:
		}
		// What the list of names told is read first.
		if err := sleep(ctx, s.config.Interval); err != nil {
			return err
		}
		began := time.Now()
		round, asking := errgroup.WithContext(ctx)
		round.SetLimit(s.config.Readers)
		for _, name := range w.unwatched() {
			round.Go(func() error { return w.askNode(asking, name) })
		}
		if err := round.Wait(); err != nil {
			return err
		}
		w.reconsider(ctx)
		if err := sleep(ctx, limit.delay(time.Now(), 3*time.Since(began))); err != nil {
			return err
		}
	}
}

func (w *nodeWatches) unwatched() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]string, 0, len(w.asked))
	for name := range w.asked {
		out = append(out, name)
	}
	return out
}

// reconsider gives a watch to nodes that are crowded no more, as far as there is room.
func (w *nodeWatches) reconsider(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.asked {
		w.include(ctx, name)
	}
}

func (w *nodeWatches) askNode(ctx context.Context, name string) error {
	var body nodeServices
	_, err := w.source.client.read(ctx, nodePath(name), ask{}, &body)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, asked := w.asked[name]
	switch {
	case !asked: // it left meanwhile, and its doubt with it, or has a watch now
	case err != nil:
		w.source.doubts.raise(nodeSubject(name), err)
		wake(w.poll)
	default:
		w.source.doubts.clear(nodeSubject(name))
		is := body.hints()
		w.asked[name] = w.source.crowded(is)
		w.source.compare(name, is)
	}
	return nil
}
