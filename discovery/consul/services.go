package consul

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// serviceWatches follows each service by a blocking query of its own, and the list of names by one more.
type serviceWatches struct {
	source *Source
	group  *errgroup.Group

	mu      sync.Mutex
	wanted  map[string]struct{}
	running map[string]context.CancelFunc
}

// followServices runs until ctx ends, the index of the names falls below that of the list everything was read by, or there are more
// services than watches.
func (s *Source) followServices(ctx context.Context, read uint64) error {
	s.setStrategy("a watch for each service")
	group, ctx := errgroup.WithContext(ctx)
	w := &serviceWatches{source: s, group: group, running: map[string]context.CancelFunc{}}
	index := rising{last: read}
	group.Go(func() error { return s.awaitFall(ctx) })
	group.Go(func() error {
		t := target{subject: namesSubject, path: namesPath, wait: s.config.Canary, canary: true}
		return follow(ctx, s, t, func(ctx context.Context, names map[string]anything, got answer) error {
			if names == nil {
				return errNull
			}
			if err := index.check(got.index); err != nil {
				return err
			}
			s.sawNames(names)
			wanted := s.wanted(names)
			if len(wanted)+1 > s.config.MaxWatches {
				return errOutgrew
			}
			w.want(ctx, wanted)
			return nil
		})
	})
	return group.Wait()
}

// want starts the watches that are missing, and ends those of services that are neither named nor held, and the doubts that were left
// about any of these.
func (w *serviceWatches) want(ctx context.Context, names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = make(map[string]struct{}, len(names))
	for _, name := range names {
		w.wanted[name] = struct{}{}
		if w.running[name] == nil {
			w.start(ctx, name)
		}
	}
	for name, cancel := range w.running {
		if _, wanted := w.wanted[name]; !wanted {
			cancel()
		}
	}
	w.source.doubts.retain(func(about subject) bool {
		_, wanted := w.wanted[about.service]
		return wanted || about.service == "" || w.running[about.service] != nil
	})
}

// start runs a watch for the service; its caller holds the lock.
func (w *serviceWatches) start(ctx context.Context, name string) {
	own, cancel := context.WithCancel(ctx)
	w.running[name] = cancel
	w.group.Go(func() error {
		err := w.run(own, name)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case own.Err() != nil, errors.Is(err, errDone):
			w.ended(ctx, name)
			return nil
		}
		return err
	})
}

func (w *serviceWatches) run(ctx context.Context, name string) error {
	s := w.source
	t := target{subject: serviceSubject(name), path: servicePath(name), wait: s.config.Wait, direct: true}
	if held := s.book.get(name); held.live && !s.doubts.stands(t.subject) {
		t.index = held.index
	}
	return follow(ctx, s, t, func(ctx context.Context, entries []entry, got answer) error {
		commit := func() error { return s.commit(ctx, name, entries, got) }
		if got.streamed {
			commit = func() error { return s.tryService(ctx, name, got.index) }
		}
		if err := commit(); err != nil {
			return err
		}
		if s.book.get(name).service == nil && !w.wants(name) {
			return errDone
		}
		return nil
	})
}

func (w *serviceWatches) wants(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, wanted := w.wanted[name]
	return wanted
}

// ended forgets a watch, and starts it again if the service came back while it ended.
func (w *serviceWatches) ended(ctx context.Context, name string) {
	w.source.doubts.clear(serviceSubject(name))
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, name)
	if _, wanted := w.wanted[name]; wanted {
		w.start(ctx, name)
	}
}
