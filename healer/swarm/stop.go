package swarm

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/healer/docker"
)

// ErrElsewhere: the container is on another host, and there is nobody to order its agent.
var ErrElsewhere = errors.New("the container is on another host, and no orders can be sent to its agent")

// serviceID is on every container that Swarm runs.
const serviceID = "com.docker.swarm.service.id"

// stop stops the container of one task, for Swarm to replace: through its host's agent, which makes its clients leave first, or here if
// the container is on this engine and we are its agent, or it has none.
func (r *Runtime) stop(ctx context.Context, c *client.Client, a healer.Action) error {
	found, _, err := r.service(ctx, c, a.Service)
	if err != nil {
		return err
	}
	switch {
	case found.Version.Index != a.Fence:
		return fmt.Errorf("%w: service %s is at version %d, was %d", healer.ErrFenced, a.Service.Run.Swarm, found.Version.Index, a.Fence)
	case busy(found) != "":
		return fmt.Errorf("%w: service %s: %s", healer.ErrRefused, a.Service.Run.Swarm, busy(found))
	}
	node, err := r.nodeOf(ctx, c, found, a.Copy)
	if err != nil {
		return err
	}
	here, err := r.here(ctx, c)
	switch {
	case err != nil:
		return err
	case node.ID == here && (r.config.Leave != nil || r.config.Stopper == nil):
		return r.stopHere(ctx, found, a)
	case r.config.Stopper == nil:
		return fmt.Errorf("stopping container %s on %s: %w", a.Copy, a.Node, ErrElsewhere)
	}
	err = r.config.Stopper.Stop(ctx, cmp.Or(a.Node, node.Description.Hostname), a.Copy, a.Reason)
	if node.ID == here && errors.Is(err, docker.ErrNoAgent) {
		return r.stopHere(ctx, found, a)
	}
	return err
}

// stopHere stops a container on our own engine.
func (r *Runtime) stopHere(ctx context.Context, found swarm.Service, a healer.Action) error {
	return docker.Halter{Engine: r.engine, Leave: r.config.Leave}.Stop(ctx, a.Copy, func(inspected container.InspectResponse) error {
		if inspected.Config.Labels[serviceID] != found.ID {
			return fmt.Errorf("%w: container %s is none of service %s", healer.ErrRefused, a.Copy, a.Service.Run.Swarm)
		}
		return nil
	})
}

// nodeOf returns the node that runs a container of the service. A container that no task runs now is healer.ErrFenced: Swarm has
// replaced it by itself, or is about to.
func (r *Runtime) nodeOf(ctx context.Context, c *client.Client, s swarm.Service, containerID string) (node swarm.Node, err error) {
	var tasks []swarm.Task
	err = r.ask(ctx, "listing the tasks of "+s.Spec.Name, func(ctx context.Context) (err error) {
		tasks, err = c.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("service", s.ID))})
		return err
	})
	if err != nil {
		return node, err
	}
	for _, t := range tasks {
		if t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID != containerID {
			continue
		}
		if t.Status.State != swarm.TaskStateRunning || !wanted(t) {
			break
		}
		err = r.ask(ctx, "inspecting node "+t.NodeID, func(ctx context.Context) (err error) {
			node, _, err = c.NodeInspectWithRaw(ctx, t.NodeID)
			return err
		})
		return node, err
	}
	return node, fmt.Errorf("%w: no task of service %s runs container %q now", healer.ErrFenced, s.Spec.Name, containerID)
}

// here returns the ID of the engine's own node.
func (r *Runtime) here(ctx context.Context, c *client.Client) (id string, err error) {
	err = r.ask(ctx, "asking which node it is", func(ctx context.Context) error {
		info, err := c.Info(ctx)
		id = info.Swarm.NodeID
		return err
	})
	return id, err
}
