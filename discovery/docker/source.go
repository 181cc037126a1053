package docker

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
)

var _ discovery.Source = (*Source)(nil)

// Source follows the containers of one engine. An engine that cannot be reached never ends it.
type Source struct {
	config   Config
	engine   *engine
	refusals atomic.Pointer[[]Refusal]
}

// New returns a source over the engine of c. It reads the files that c names and asks nothing yet.
func New(c Config) (*Source, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	e, err := newEngine(c)
	if err != nil {
		return nil, err
	}
	return &Source{config: c, engine: e}, nil
}

// Name implements discovery.Source.
func (s *Source) Name() string {
	return "docker " + strings.TrimPrefix(strings.TrimPrefix(s.config.Host, "unix://"), "tcp://")
}

// Refusals returns what does not count at the moment and why, by container name. It may be called from any goroutine.
func (s *Source) Refusals() []Refusal {
	if all := s.refusals.Load(); all != nil {
		return slices.Clone(*all)
	}
	return nil
}

// refused returns the same as sentences.
func (s *Source) refused() []string {
	var all []string
	for _, r := range s.Refusals() {
		all = append(all, r.String())
	}
	return all
}

// Run implements discovery.Source. It is called once.
func (s *Source) Run(ctx context.Context, known map[string]*discovery.Service, report func(discovery.Update)) error {
	defer s.engine.close()
	group, ctx := errgroup.WithContext(ctx)
	f := newFollower(s, known, report)
	group.Go(func() error { return s.engine.watch(ctx, s.config, func(m any) error { return f.pass(ctx, m) }) })
	group.Go(func() error { return f.run(ctx, group) })
	return group.Wait()
}
