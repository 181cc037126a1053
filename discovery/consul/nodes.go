package consul

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// nodeWatches follows the catalog by hints: what is registered on each node, which nodes there are, and which checks do not pass.
// Each service that a hint names is read once.
type nodeWatches struct {
	source *Source
	group  *errgroup.Group
	room   int // how many nodes may have a watch

	mu      sync.Mutex
	seen    map[string]uint64 // nodes by ModifyIndex
	running map[string]context.CancelFunc
	asked   map[string]bool // nodes without a watch, true for a crowded one
	poll    chan struct{}   // capacity 1: the list of services changed
	names   sync.Once       // the list of names is followed too
	listed  sync.Once       // the list of nodes was answered
}

// node is an element of /v1/catalog/nodes.
type node struct {
	Node        string
	ModifyIndex uint64
}

const (
	// otherWatches are those besides one for each node: the nodes, two of checks, and the names.
	otherWatches = 4
	// crowd is the number of services on one node from which it has no watch: its list, which any change on it makes anew, would
	// keep the list of names waiting, which is shorter and tells what came and went.
	crowd = 250
	// fraction bounds that: where a node has less than this part of all services, its list is the shorter one.
	fraction = 8
)

// followNodes runs until ctx ends, an index falls, or the services are few enough for a watch each.
func (s *Source) followNodes(ctx context.Context) error {
	s.setStrategy("a watch for each node and for failing checks, then single reads")
	group, ctx := errgroup.WithContext(ctx)
	w := &nodeWatches{
		source:  s,
		group:   group,
		room:    max(0, s.config.MaxWatches-otherWatches),
		seen:    map[string]uint64{},
		running: map[string]context.CancelFunc{},
		asked:   map[string]bool{},
		poll:    make(chan struct{}, 1),
	}
	group.Go(func() error { return s.awaitFall(ctx) })
	group.Go(func() error { return w.followList(ctx) })
	for _, state := range []string{"critical", "warning"} {
		group.Go(func() error { return s.followChecks(ctx, state) })
	}
	group.Go(func() error { return w.askInTurn(ctx) })
	group.Go(func() error { return s.sweep(ctx) })
	return group.Wait()
}

func (w *nodeWatches) followList(ctx context.Context) error {
	var index rising
	t := target{subject: subject{what: "list of nodes"}, path: "/v1/catalog/nodes", wait: w.source.config.Canary, canary: true}
	return follow(ctx, w.source, t, func(ctx context.Context, nodes []node, got answer) error {
		if nodes == nil {
			return errNull
		}
		if err := index.check(got.index); err != nil {
			return err
		}
		w.update(ctx, nodes)
		// If the indexes began anew before this watch had one, the list of names tells.
		w.listed.Do(func() {
			w.group.Go(func() error {
				_, _, err := w.source.firstNames(ctx)
				return err
			})
		})
		return nil
	})
}

// update starts what is missing for the nodes, ends what is too much, and has read what was on a node that changed or vanished.
func (w *nodeWatches) update(ctx context.Context, nodes []node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source.hints.Add(1)
	now := make(map[string]uint64, len(nodes))
	for _, n := range nodes {
		now[n.Node] = n.ModifyIndex
	}
	for name, was := range w.seen {
		is, there := now[name]
		if !there {
			w.drop(name)
		} else if is != was {
			w.source.markNode(name, is)
		}
	}
	for _, name := range w.source.book.occupied() {
		if _, there := now[name]; !there {
			w.source.markNode(name, 0)
		}
	}
	for name := range now {
		w.include(ctx, name)
	}
	w.seen = now
}

// include has a node watched, or asked if there is no room; its caller holds the lock.
func (w *nodeWatches) include(ctx context.Context, name string) {
	crowded, asked := w.asked[name]
	switch {
	case w.running[name] != nil, crowded:
	case len(w.running) < w.room:
		delete(w.asked, name)
		w.start(ctx, name)
	case !asked:
		w.askFor(ctx, name, false)
	}
}

// askFor has a node asked whenever the list of names changes; its caller holds the lock.
func (w *nodeWatches) askFor(ctx context.Context, name string, crowded bool) {
	w.asked[name] = crowded
	w.followNames(ctx)
	wake(w.poll)
}

// drop ends the watch of a node, and the doubt about it; its caller holds the lock.
func (w *nodeWatches) drop(name string) {
	if cancel := w.running[name]; cancel != nil {
		cancel()
	}
	delete(w.running, name)
	if _, asked := w.asked[name]; asked {
		delete(w.asked, name)
		w.source.doubts.clear(nodeSubject(name))
	}
}

// start runs a watch for the node; its caller holds the lock.
func (w *nodeWatches) start(ctx context.Context, name string) {
	own, cancel := context.WithCancel(ctx)
	w.running[name] = cancel
	w.group.Go(func() error {
		defer cancel()
		err := w.followNode(own, name)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case own.Err() != nil:
			w.source.doubts.clear(nodeSubject(name))
			return nil
		case errors.Is(err, errDone):
			w.mu.Lock()
			defer w.mu.Unlock()
			if own.Err() == nil {
				delete(w.running, name)
				w.askFor(ctx, name, true)
			}
			return nil
		}
		return err
	})
}

// followNode marks the services of what is registered on a node otherwise than it is held, until the node is crowded.
func (w *nodeWatches) followNode(ctx context.Context, name string) error {
	s := w.source
	var index rising
	t := target{subject: nodeSubject(name), path: nodePath(name), wait: s.config.Wait}
	return follow(ctx, s, t, func(_ context.Context, body nodeServices, got answer) error {
		// Consul answers for a node it does not have with index 1.
		if body.Node != nil {
			if err := index.check(got.index); err != nil {
				return err
			}
		}
		is := body.hints()
		s.compare(name, is)
		if s.crowded(is) {
			return errDone
		}
		return nil
	})
}

// followNames marks services that are new in the list of names or have left it, and has the nodes without a watch asked whenever
// it changes. The first call starts it.
func (w *nodeWatches) followNames(ctx context.Context) {
	w.names.Do(func() {
		s := w.source
		was := make(map[string]anything)
		for _, name := range s.book.names() {
			was[name] = anything{}
		}
		var index rising
		t := target{subject: namesSubject, path: namesPath, wait: s.config.Wait}
		handle := func(_ context.Context, names map[string]anything, got answer) error {
			if names == nil {
				return errNull
			}
			if err := index.check(got.index); err != nil {
				return err
			}
			for name := range names {
				if _, had := was[name]; !had {
					s.markNamed(name, 0)
				}
			}
			for name := range was {
				if _, still := names[name]; !still {
					s.markNamed(name, 0)
				}
			}
			was = names
			wake(w.poll)
			return nil
		}
		w.group.Go(func() error { return follow(ctx, s, t, handle) })
	})
}

// crowded reports whether a node has so many services that it gets no watch.
func (s *Source) crowded(is map[string]hint) bool {
	return len(is) > crowd && len(is)*fraction > s.book.size()
}
