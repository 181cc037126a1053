package swarm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
)

var _ healer.Placer = (*Runtime)(nil)

// Hold implements healer.Placer by pausing the node: its tasks go on, unlike by draining it, which would stop them before others run.
// The last node that takes tasks is refused.
func (r *Runtime) Hold(ctx context.Context, host string) (closed bool, err error) {
	err = r.onNode(ctx, host, func(c *client.Client, n swarm.Node, all []swarm.Node) error {
		if n.Spec.Availability != swarm.NodeAvailabilityActive {
			return nil
		}
		if !slices.ContainsFunc(all, func(other swarm.Node) bool { return other.ID != n.ID && takesTasks(other) }) {
			return fmt.Errorf("%w: no other node of the swarm takes tasks, %s stays", healer.ErrRefused, host)
		}
		closed = true
		return r.setAvailability(ctx, c, n, swarm.NodeAvailabilityPause)
	})
	return closed && err == nil, err
}

// Release implements healer.Placer. A node that somebody has drained meanwhile stays so.
func (r *Runtime) Release(ctx context.Context, host string) error {
	return r.onNode(ctx, host, func(c *client.Client, n swarm.Node, _ []swarm.Node) error {
		if n.Spec.Availability != swarm.NodeAvailabilityPause {
			return nil
		}
		return r.setAvailability(ctx, c, n, swarm.NodeAvailabilityActive)
	})
}

// Others implements healer.Placer.
func (r *Runtime) Others(ctx context.Context, host string) (names []string, err error) {
	err = r.onNode(ctx, host, func(c *client.Client, n swarm.Node, _ []swarm.Node) error {
		var tasks []swarm.Task
		err := r.ask(ctx, "listing the tasks on "+host, func(ctx context.Context) (err error) {
			tasks, err = c.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("node", n.ID))})
			return err
		})
		if err != nil {
			return err
		}
		services, err := r.serviceNames(ctx, c)
		for _, t := range tasks {
			if t.Status.State == swarm.TaskStateRunning && wanted(t) && !slices.Contains(names, services[t.ServiceID]) {
				names = append(names, services[t.ServiceID])
			}
		}
		slices.Sort(names)
		return err
	})
	return names, err
}

// serviceNames returns the names of all services by ID.
func (r *Runtime) serviceNames(ctx context.Context, c *client.Client) (map[string]string, error) {
	names := map[string]string{}
	return names, r.ask(ctx, "listing the services", func(ctx context.Context) error {
		list, err := c.ServiceList(ctx, swarm.ServiceListOptions{})
		for _, s := range list {
			names[s.ID] = s.Spec.Name
		}
		return err
	})
}

// onNode finds the node with this host name and does something with it; all are the nodes of the swarm. Two nodes of one name are
// refused, since nobody could tell which one is meant.
func (r *Runtime) onNode(ctx context.Context, host string, do func(c *client.Client, n swarm.Node, all []swarm.Node) error) error {
	c, err := r.engine.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	var all []swarm.Node
	err = r.ask(ctx, "listing the nodes", func(ctx context.Context) (err error) {
		all, err = c.NodeList(ctx, swarm.NodeListOptions{})
		return err
	})
	if err != nil {
		return err
	}
	var found []swarm.Node
	for _, n := range all {
		if strings.EqualFold(n.Description.Hostname, host) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return fmt.Errorf("%w: no node of the swarm is called %s", healer.ErrUnknownHost, host)
	case 1:
		return do(c, found[0], all)
	}
	return fmt.Errorf("%w: %d nodes of the swarm are called %s; remove those that are gone", healer.ErrRefused, len(found), host)
}

// setAvailability changes a node, fenced by its version.
func (r *Runtime) setAvailability(ctx context.Context, c *client.Client, n swarm.Node, to swarm.NodeAvailability) error {
	n.Spec.Availability = to
	err := r.ask(ctx, fmt.Sprintf("setting node %s to %s", n.Description.Hostname, to), func(ctx context.Context) error {
		return c.NodeUpdate(ctx, n.ID, n.Version, n.Spec)
	})
	if err != nil && strings.Contains(err.Error(), "update out of sequence") {
		return fmt.Errorf("%w: %w", healer.ErrFenced, err)
	}
	return err
}

func takesTasks(n swarm.Node) bool {
	return n.Spec.Availability == swarm.NodeAvailabilityActive && n.Status.State == swarm.NodeStateReady
}
