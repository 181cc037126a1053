package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/healer"
)

// Halter stops containers of one engine gracefully.
type Halter struct {
	Engine Engine
	// Leave makes clients leave first; see Config.
	Leave func(ctx context.Context, container string) error
}

// engineStopTimeout is what the engine gives a container that asks for no time of its own.
const engineStopTimeout = 10 * time.Second

// Stop stops the container with this full ID if allow has nothing against it. The container gets its own stop signal and stop
// time-out. One that is gone is healer.ErrFenced, and one that does not run is no error.
func (h Halter) Stop(ctx context.Context, id string, allow func(container.InspectResponse) error) error {
	c, err := h.Engine.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	found, exists, err := inspect(ctx, c, h.Engine, id)
	switch {
	case err != nil:
		return err
	case !exists:
		return gone(h.Engine, id)
	}
	if err := allow(found); err != nil {
		return err
	}
	if !found.State.Running {
		return nil
	}
	if h.Leave != nil {
		if err := h.Leave(ctx, id); err != nil {
			return fmt.Errorf("container %s goes on, its clients could not be sent elsewhere: %w", short(id), err)
		}
	}
	err = h.Engine.Ask(ctx, "stopping container "+short(id), stopTimeout(found), func(ctx context.Context) error {
		return c.ContainerStop(ctx, id, container.StopOptions{})
	})
	if errdefs.IsNotFound(err) {
		return gone(h.Engine, id)
	}
	return err
}

func gone(e Engine, id string) error {
	return fmt.Errorf("%w: %s has no container %s any more", healer.ErrFenced, e, short(id))
}

func stopTimeout(c container.InspectResponse) time.Duration {
	if c.Config.StopTimeout == nil {
		return engineStopTimeout
	}
	// A negative one means without end: the engine is waited for as long as for any other, and answers nothing in time then.
	return max(engineStopTimeout, time.Duration(*c.Config.StopTimeout)*time.Second)
}
