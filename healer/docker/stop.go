package docker

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
)

// stop stops a container of ours, and removes it if a later generation runs in its slot. Otherwise it stays, with its logs, until
// one does.
func (r *Runtime) stop(ctx context.Context, c *client.Client, a healer.Action) error {
	var taken place
	err := r.halter.Stop(ctx, a.Copy, func(found container.InspectResponse) error {
		p, ours := placeOf(found.Config.Labels, r.config.Owner)
		switch {
		case found.Config.Labels[swarmService] != "":
			return fmt.Errorf("%w: container %s is Swarm's", healer.ErrRefused, short(found.ID))
		case !ours:
			return fmt.Errorf("%w: container %s was not started by this Fairlead", healer.ErrRefused, short(found.ID))
		case p.domain != a.Service.Domain:
			return fmt.Errorf("%w: container %s serves %s, not %s", healer.ErrRefused, short(found.ID), p.domain, a.Service.Domain)
		}
		taken = p
		return nil
	})
	if err != nil {
		return err
	}
	slot, err := r.slot(ctx, c, taken)
	if err != nil {
		return err
	}
	for _, other := range slot {
		if other.place.generation > taken.generation && other.running {
			r.remove(ctx, c, a.Copy)
			break
		}
	}
	return nil
}

// occupant is a container of ours in a slot.
type occupant struct {
	id      string
	place   place
	running bool
}

// slot lists our containers in the slot of p.
func (r *Runtime) slot(ctx context.Context, c *client.Client, p place) ([]occupant, error) {
	all, err := r.list(ctx, c)
	if err != nil {
		return nil, err
	}
	var found []occupant
	for _, summary := range all {
		other, ours := placeOf(summary.Labels, r.config.Owner)
		if ours && other.domain == p.domain && other.slot == p.slot {
			found = append(found, occupant{summary.ID, other, alive(summary.State)})
		}
	}
	return found, nil
}

// alive reports whether a container of this state has a process, or gets one again by itself.
func alive(state string) bool {
	return state == container.StateRunning || state == container.StatePaused || state == container.StateRestarting
}

// remove removes a container that does not run; the engine refuses it for one that does. Its volumes stay: they may be all that is
// left of its data. A failure is told and changes nothing else, as the next replacement tries again.
func (r *Runtime) remove(ctx context.Context, c *client.Client, id string) {
	err := r.engine.Ask(ctx, "removing container "+short(id), 0, func(ctx context.Context) error {
		return c.ContainerRemove(ctx, id, container.RemoveOptions{})
	})
	if err != nil {
		r.config.Logger.Warn("a container that was replaced stays", "container", short(id), "error", err)
	}
}
