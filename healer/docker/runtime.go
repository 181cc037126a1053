package docker

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
)

var (
	_ healer.Runtime  = (*Runtime)(nil)
	_ healer.Preparer = (*Runtime)(nil)
)

// Runtime is one plain Docker engine. Its methods may be called from several goroutines.
type Runtime struct {
	config Config
	engine Engine
	halter Halter

	mu   sync.Mutex
	node string
}

// New returns the runtime of c's engine, which is asked nothing yet.
func New(c Config) (*Runtime, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Engine, err)
	}
	probe, err := c.Engine.Open()
	if err != nil {
		return nil, err
	}
	defer probe.Close()
	return &Runtime{config: c, engine: c.Engine, halter: Halter{Engine: c.Engine, Leave: c.Leave}, node: c.Node}, nil
}

// Name implements healer.Runtime.
func (r *Runtime) Name() string { return r.engine.String() }

// Prepare implements healer.Preparer: it makes sure that the engine has the image of a copy to be started, and pulls it if not.
func (r *Runtime) Prepare(ctx context.Context, a healer.Action) error {
	if a.Kind != healer.Start {
		return nil
	}
	c, err := r.engine.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := r.accept(ctx, c, a.Service); err != nil {
		return err
	}
	if err := startable(a); err != nil {
		return err
	}
	return r.have(ctx, c, a.Service.Run.Image)
}

// Do implements healer.Runtime. An image that is not on the engine is not waited for: Prepare does that.
func (r *Runtime) Do(ctx context.Context, a healer.Action) error {
	c, err := r.engine.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := r.accept(ctx, c, a.Service); err != nil {
		return err
	}
	switch a.Kind {
	case healer.Start:
		return r.start(ctx, c, a)
	case healer.Stop:
		return r.stop(ctx, c, a)
	}
	return fmt.Errorf("%w: a plain engine cannot %s", healer.ErrRefused, a.Kind)
}

// accept refuses a service that is not this engine's to run.
func (r *Runtime) accept(ctx context.Context, c *client.Client, s *healer.Service) error {
	switch {
	case s == nil:
		return fmt.Errorf("%w: no service is named", healer.ErrRefused)
	case s.Run.Swarm != "":
		return fmt.Errorf("%w: %s is Swarm's service %s, not one of a plain engine", healer.ErrRefused, s.Domain, s.Run.Swarm)
	case s.Run.Host == "":
		return nil
	}
	node, err := r.nodeName(ctx, c)
	if err != nil {
		return err
	}
	if s.Run.Host != node {
		return fmt.Errorf("%w: %s belongs to host %s, and this is %s", healer.ErrRefused, s.Domain, s.Run.Host, node)
	}
	return nil
}

// nodeName returns the configured name, or the engine's own, which is asked for once.
func (r *Runtime) nodeName(ctx context.Context, c *client.Client) (string, error) {
	r.mu.Lock()
	name := r.node
	r.mu.Unlock()
	if name != "" {
		return name, nil
	}
	err := r.engine.Ask(ctx, "asking its name", 0, func(ctx context.Context) error {
		info, err := c.Info(ctx)
		name = info.Name
		return err
	})
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.node = name
	return name, nil
}
