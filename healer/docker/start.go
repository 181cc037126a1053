package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
)

// startable refuses what cannot be started.
func startable(a healer.Action) error {
	switch {
	case a.Service.Run.Image == "":
		return fmt.Errorf("%w: no image is named for %s", healer.ErrRefused, a.Service.Domain)
	case a.Slot < 1 || a.Generation < 1:
		return fmt.Errorf("%w: slot %d, generation %d of %s: both begin at 1", healer.ErrRefused, a.Slot, a.Generation, a.Service.Domain)
	}
	return nil
}

// start runs a copy in a slot. The engine decides by the container's name who of several creates it, and a look at the slot decides
// whether it is still to be started.
func (r *Runtime) start(ctx context.Context, c *client.Client, a healer.Action) error {
	if err := startable(a); err != nil {
		return err
	}
	p := place{a.Service.Domain, a.Slot, a.Generation}
	made, err := r.specOf(a.Service, p)
	if err != nil {
		return err
	}
	id, err := r.create(ctx, c, p, made)
	if err != nil {
		return err
	}
	// Looked at only now: whoever starts a later generation creates it before he removes this one, so that a name that was free because
	// its container is superseded and gone shows here.
	slot, err := r.slot(ctx, c, p)
	if err != nil {
		return err
	}
	for _, other := range slot {
		if other.place.generation > p.generation {
			r.remove(ctx, c, id)
			return fmt.Errorf("%w: generation %d is in slot %d of %s already", healer.ErrFenced, other.place.generation, p.slot, p.domain)
		}
	}
	if err := r.run(ctx, c, p, id); err != nil {
		return err
	}
	for _, other := range slot {
		if other.place.generation < p.generation && !other.running {
			r.remove(ctx, c, other.id)
		}
	}
	return nil
}

// create makes the container and returns its ID. If its name is taken, the slot is somebody else's, except that a container made in the
// same way and not started yet is as good as our own: whoever made it may never come to start it. A foreign container of that name is
// for a person to move.
func (r *Runtime) create(ctx context.Context, c *client.Client, p place, made spec) (string, error) {
	var answer container.CreateResponse
	err := r.engine.Ask(ctx, "creating container "+p.name(), 0, func(ctx context.Context) (err error) {
		answer, err = c.ContainerCreate(ctx, made.Config, made.Host, nil, nil, p.name())
		return err
	})
	switch {
	case errdefs.IsNotFound(err):
		return "", fmt.Errorf("%w: %w", healer.ErrUnknownService, err)
	case !errdefs.IsConflict(err):
		return answer.ID, err
	}
	var found container.InspectResponse
	looked := r.engine.Ask(ctx, "inspecting container "+p.name(), 0, func(ctx context.Context) (err error) {
		found, err = c.ContainerInspect(ctx, p.name())
		return err
	})
	switch {
	case errdefs.IsNotFound(looked): // being created, or removed again
		return "", fmt.Errorf("%w: %w", healer.ErrFenced, err)
	case looked != nil:
		return "", looked
	case found.ContainerJSONBase == nil || found.State == nil || found.Config == nil:
		return "", fmt.Errorf("%s: inspecting container %s: the answer is incomplete", r.engine, p.name())
	}
	if _, ours := placeOf(found.Config.Labels, r.config.Owner); !ours {
		return "", fmt.Errorf("%w: %s is the name of a container that this Fairlead did not start: rename or remove it", healer.ErrRefused, p.name())
	}
	if found.State.Status != container.StateCreated || found.Config.Labels[labelSpec] != made.Config.Labels[labelSpec] {
		return "", fmt.Errorf("%w: container %s is there already (%s)", healer.ErrFenced, p.name(), found.State.Status)
	}
	return found.ID, nil
}

// run starts the container. One that the engine cannot start is removed; one of which nobody knows whether it started stays.
func (r *Runtime) run(ctx context.Context, c *client.Client, p place, id string) error {
	err := r.engine.Ask(ctx, "starting container "+p.name(), 0, func(ctx context.Context) error {
		return c.ContainerStart(ctx, id, container.StartOptions{})
	})
	switch {
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%w: container %s was removed before it started", healer.ErrFenced, p.name())
	case errors.Is(err, ErrNoAnswer) || ctx.Err() != nil || client.IsErrConnectionFailed(err):
		return err
	case err != nil:
		r.remove(ctx, c, id)
		return err
	}
	found, exists, err := inspect(ctx, c, r.engine, id)
	switch {
	case err != nil:
		return err
	case !exists:
		return gone(r.engine, id)
	case !found.State.Running && !found.State.Restarting:
		return fmt.Errorf("container %s ended at once: %s", p.name(), problem(found))
	}
	return nil
}
