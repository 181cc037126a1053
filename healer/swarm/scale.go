package swarm

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
)

// scale raises the number of replicas. The update carries the version index of the observation, so that Swarm refuses it if anybody
// has changed the service since, and takes the registry's credentials from the present spec, which an update would drop otherwise.
func (r *Runtime) scale(ctx context.Context, c *client.Client, a healer.Action) error {
	found, raw, err := r.service(ctx, c, a.Service)
	if err != nil {
		return err
	}
	name, replicas := a.Service.Run.Swarm, *found.Spec.Mode.Replicated.Replicas
	switch {
	case found.Version.Index != a.Fence:
		return fmt.Errorf("%w: service %s is at version %d, was %d", healer.ErrFenced, name, found.Version.Index, a.Fence)
	case busy(found) != "":
		return fmt.Errorf("%w: service %s: %s", healer.ErrRefused, name, busy(found))
	case a.To < 1 || a.To > a.Service.Count:
		return fmt.Errorf("%w: service %s is wanted with %d replicas, and %d were asked for", healer.ErrRefused, name, a.Service.Count, a.To)
	case replicas == uint64(a.To):
		return nil
	case replicas > uint64(a.To):
		return fmt.Errorf("%w: service %s has %d replicas, and is never lowered to %d", healer.ErrRefused, name, replicas, a.To)
	}
	if err := reproduces(raw, found.Spec); err != nil {
		return fmt.Errorf("%w: service %s: %w", healer.ErrRefused, name, err)
	}
	to := uint64(a.To)
	found.Spec.Mode.Replicated.Replicas = &to
	err = r.ask(ctx, "scaling service "+name, func(ctx context.Context) error {
		_, err := c.ServiceUpdate(ctx, found.ID, found.Version, found.Spec, swarm.ServiceUpdateOptions{RegistryAuthFrom: swarm.RegistryAuthFromSpec})
		return err
	})
	if err != nil && strings.Contains(err.Error(), "update out of sequence") {
		return fmt.Errorf("%w: %w", healer.ErrFenced, err)
	}
	return err
}
