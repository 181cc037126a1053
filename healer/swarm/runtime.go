package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/healer/docker"
)

// Errors beside those of package healer. Of both, the services' state is unknown.
var (
	// ErrNotManager: the engine is not in a swarm, or only a worker. A person must name a manager.
	ErrNotManager = errors.New("the engine is no manager of a swarm: name one that is")
	// ErrNoLeader: too few managers are there to agree on anything.
	ErrNoLeader = errors.New("the swarm has no leader")
)

var _ healer.Runtime = (*Runtime)(nil)

// Runtime is one swarm, seen from a manager. Its methods may be called from several goroutines.
type Runtime struct {
	config Config
	engine docker.Engine
}

// New returns the runtime of c's swarm, which is asked nothing yet.
func New(c Config) (*Runtime, error) {
	probe, err := c.Engine.Open()
	if err != nil {
		return nil, err
	}
	defer probe.Close()
	return &Runtime{config: c.withDefaults(), engine: c.Engine}, nil
}

// Name implements healer.Runtime.
func (r *Runtime) Name() string { return "swarm at " + r.engine.String() }

// Do implements healer.Runtime.
func (r *Runtime) Do(ctx context.Context, a healer.Action) error {
	c, err := r.engine.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	switch a.Kind {
	case healer.Scale:
		return r.scale(ctx, c, a)
	case healer.Stop:
		return r.stop(ctx, c, a)
	}
	return fmt.Errorf("%w: in a swarm nothing is done by %s, Swarm itself places copies", healer.ErrRefused, a.Kind)
}

// service inspects the replicated service that s names, and returns the engine's own words with it.
func (r *Runtime) service(ctx context.Context, c *client.Client, s *healer.Service) (swarm.Service, []byte, error) {
	if s == nil || s.Run.Swarm == "" {
		return swarm.Service{}, nil, fmt.Errorf("%w: no Swarm service is named", healer.ErrRefused)
	}
	name := s.Run.Swarm
	var found swarm.Service
	var raw []byte
	err := r.ask(ctx, "inspecting service "+name, func(ctx context.Context) (err error) {
		found, raw, err = c.ServiceInspectWithRaw(ctx, name, swarm.ServiceInspectOptions{})
		return err
	})
	switch {
	case errdefs.IsNotFound(err):
		return found, nil, fmt.Errorf("service %s is %w: %w", name, healer.ErrUnknownService, err)
	case err != nil:
		return found, nil, err
	case found.Spec.Name != name && found.ID != name: // the engine also takes the beginning of an ID
		return found, nil, fmt.Errorf("service %s is %w at %s", name, healer.ErrUnknownService, r.engine)
	case found.Spec.Mode.Replicated == nil:
		return found, nil, fmt.Errorf("%w: service %s is not replicated (%s): only replicated services have a count to keep",
			healer.ErrRefused, name, mode(found.Spec.Mode))
	case found.Spec.Mode.Replicated.Replicas == nil:
		return found, nil, fmt.Errorf("%s: inspecting service %s: the answer has no number of replicas", r.engine, name)
	}
	return found, raw, nil
}

func mode(m swarm.ServiceMode) string {
	switch {
	case m.Global != nil:
		return "global"
	case m.ReplicatedJob != nil, m.GlobalJob != nil:
		return "a job"
	}
	return "of an unknown mode"
}

// busy says why Swarm must be left alone with the service; empty if it need not. Whatever is written ends a pause for good, as Swarm
// clears the update's state with every change.
func busy(s swarm.Service) string {
	u := s.UpdateStatus
	if u == nil {
		return ""
	}
	state := ""
	switch u.State {
	case "", swarm.UpdateStateCompleted, swarm.UpdateStateRollbackCompleted:
		return ""
	case swarm.UpdateStateUpdating:
		state = "an update runs"
	case swarm.UpdateStatePaused:
		state = "an update is paused"
	case swarm.UpdateStateRollbackStarted:
		state = "an update is being rolled back"
	case swarm.UpdateStateRollbackPaused:
		state = "the rollback of an update is paused"
	default:
		state = "its update is " + string(u.State)
	}
	if u.Message != "" {
		state += ": " + u.Message
	}
	return state
}

// ask asks the manager, and tells apart why a swarm cannot answer.
func (r *Runtime) ask(ctx context.Context, what string, f func(ctx context.Context) error) error {
	err := r.engine.Ask(ctx, what, 0, f)
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "not a swarm manager"):
		return fmt.Errorf("%w: %w", ErrNotManager, err)
	case strings.Contains(err.Error(), "does not have a leader"):
		return fmt.Errorf("%w: %w", ErrNoLeader, err)
	}
	return err
}
