package consul

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
)

var _ discovery.Source = (*Source)(nil)

// Source follows the catalog behind one Consul agent.
type Source struct {
	config Config
	client *client
	name   string

	book       *book
	doubts     *doubts
	names      *nameList
	reads      *reads // of the present round of lead
	reporter   *reporter
	watches    atomic.Int64
	hints      atomic.Uint64 // hints that were compared with what is held
	ready      atomic.Bool
	sawServers atomic.Bool   // the list of names has had Consul's servers in it
	fell       chan struct{} // capacity 1: the index of the list of names went backwards between two reads
	reading    chan struct{} // capacity Readers: held while a service is read once

	mu         sync.Mutex
	lastAnswer time.Time
	lastIndex  uint64
	strategy   string
}

// New returns a source that asks the agent of c. It reads the files that c names and asks nothing yet.
func New(c Config) (*Source, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	made, err := newClient(c)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(c.Address)
	if err != nil {
		return nil, err
	}
	s := &Source{config: c, client: made, name: "consul " + u.Host, fell: make(chan struct{}, 1), reading: make(chan struct{}, c.Readers)}
	s.reporter = newReporter(s.status)
	s.doubts = newDoubts(c.Logger.With("cluster", c.Cluster, "source", s.name), s.reporter.touch)
	s.names = newNameList(made, s.sawNames, func() { wake(s.fell) })
	s.book = newBook(nil)
	return s, nil
}

// Name implements discovery.Source.
func (s *Source) Name() string { return s.name }

// Run implements discovery.Source. It is called once.
func (s *Source) Run(ctx context.Context, known map[string]*discovery.Service, report func(discovery.Update)) error {
	s.book = newBook(known)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.reporter.run(ctx, report) })
	group.Go(func() error { return s.lead(ctx) })
	err := group.Wait()
	s.client.transport.http.CloseIdleConnections()
	return err
}

// namesSubject is the subject of doubts about the list of names.
var namesSubject = subject{what: "list of names"}

// lead reads everything, follows it in the way its size calls for, and begins again when that no longer fits.
func (s *Source) lead(ctx context.Context) error {
	for {
		err := s.leadOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errFell):
			s.beginAnew()
			s.doubts.raise(namesSubject, err)
			if err := sleep(ctx, backoff(s.config.BackoffMin, s.config.BackoffMax, 1)); err != nil {
				return err
			}
		case !errors.Is(err, errOutgrew):
			return err
		}
	}
}

// beginAnew forgets the indexes of before. Nothing is read or followed meanwhile.
func (s *Source) beginAnew() {
	s.book.beginAnew()
	s.names.beginAnew()
	select {
	case <-s.fell: // both a watch and a read told
	default:
	}
}

// leadOnce reads everything and follows it until ctx ends or it has to begin again.
func (s *Source) leadOnce(ctx context.Context) error {
	s.reads = newReads(s.config, waiting, s.readService)
	reading, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.reads.run(reading) }()
	stop := sync.OnceFunc(func() {
		cancel()
		<-done
	})
	defer stop()
	names, index, err := s.readAll(ctx)
	if err != nil {
		return err
	}
	if len(s.wanted(names))+1 > s.config.MaxWatches {
		return s.followNodes(ctx)
	}
	// From here on each service has its own watch, and nobody else reads it.
	stop()
	return s.followServices(ctx, index)
}

// readAll reads the list of names, then each service once, and reports the whole as complete. A service that does not answer, or
// whose answer is in doubt, stays as it is held and is read again later. It returns the names and the index of their answer.
func (s *Source) readAll(ctx context.Context) (map[string]anything, uint64, error) {
	if !s.ready.Load() {
		s.reporter.slow(s.config.Gather)
	}
	names, index, err := s.firstNames(ctx)
	if err != nil {
		return nil, 0, err
	}
	select {
	case <-s.fell:
		return nil, 0, errFell
	default:
	}
	wanted := s.wanted(names)
	followed := make(map[string]struct{}, len(wanted))
	for _, name := range wanted {
		followed[name] = struct{}{}
	}
	s.doubts.retain(func(about subject) bool {
		_, still := followed[about.service]
		return still
	})
	if err := s.reads.wait(ctx, s.reads.begin(wanted), s.config.Patience); err != nil {
		return nil, 0, err
	}
	s.ready.Store(true)
	s.reporter.complete(s.book.facts)
	return names, index, nil
}

// awaitFall ends a strategy when a read of the list of names shows that Consul's indexes began anew: a watch that waits for an
// index of before would wait for its whole time.
func (s *Source) awaitFall(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.fell:
		return errFell
	}
}

// firstNames returns the list of names, and its index, as soon as there is one to believe.
func (s *Source) firstNames(ctx context.Context) (map[string]anything, uint64, error) {
	for failures := 1; ; failures++ {
		is, err := s.names.get(ctx, newest)
		switch {
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case err == nil:
			s.doubts.clear(namesSubject)
			return is.has, is.index, nil
		}
		s.doubts.raise(namesSubject, err)
		if err := sleep(ctx, backoff(s.config.BackoffMin, s.config.BackoffMax, failures)); err != nil {
			return nil, 0, err
		}
	}
}

// wanted returns the services to follow: those named, and those held although they are not named.
func (s *Source) wanted(names map[string]anything) []string {
	out := make([]string, 0, len(names))
	for name := range names {
		if name != ownService {
			out = append(out, name)
		}
	}
	for _, name := range s.book.names() {
		if _, named := names[name]; !named {
			out = append(out, name)
		}
	}
	return out
}

func (s *Source) sawNames(names map[string]anything) {
	if _, listed := names[ownService]; listed {
		s.sawServers.Store(true)
	}
}

// watching counts the watches.
func (s *Source) watching(more int64) {
	s.watches.Add(more)
	s.reporter.touch()
}

// believed notes a good answer of a watch.
func (s *Source) believed(t target, index uint64) {
	s.doubts.clear(t.subject)
	s.heard(index)
	if t.canary {
		s.reporter.touch() // so that the age of the last answer is seen to be small
	}
}

func (s *Source) heard(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastAnswer, s.lastIndex = time.Now(), index
}

func (s *Source) setStrategy(words string) {
	s.mu.Lock()
	s.strategy = words
	s.mu.Unlock()
	s.reporter.touch()
}

func (s *Source) status() discovery.SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return discovery.SourceStatus{
		Name:       s.name,
		Ready:      s.ready.Load(),
		LastAnswer: s.lastAnswer,
		Index:      s.lastIndex,
		Watches:    int(s.watches.Load()),
		Strategy:   s.strategy,
		Doubts:     s.doubts.list(),
	}
}
