package swarm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/healer"
)

// Observe implements healer.Runtime. Copies are the tasks that Swarm wants to run, and those that ended lately. None has a generation:
// what replaces what is Swarm's own affair.
func (r *Runtime) Observe(ctx context.Context, s *healer.Service) (healer.Observation, error) {
	c, err := r.engine.Open()
	if err != nil {
		return healer.Observation{}, err
	}
	defer c.Close()
	found, _, err := r.service(ctx, c, s)
	if err != nil {
		return healer.Observation{}, err
	}
	var tasks []swarm.Task
	err = r.ask(ctx, "listing the tasks of "+s.Run.Swarm, func(ctx context.Context) (err error) {
		tasks, err = c.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("service", found.ID))})
		return err
	})
	if err != nil {
		return healer.Observation{}, err
	}
	nodes := map[string]swarm.Node{}
	err = r.ask(ctx, "listing the nodes", func(ctx context.Context) error {
		list, err := c.NodeList(ctx, swarm.NodeListOptions{})
		for _, n := range list {
			nodes[n.ID] = n
		}
		return err
	})
	if err != nil {
		return healer.Observation{}, err
	}
	return healer.Observation{
		Replicas: int(*found.Spec.Mode.Replicated.Replicas), Fence: found.Version.Index, Busy: busy(found),
		Copies: copies(found.Spec.Name, tasks, nodes, time.Now().Add(-r.config.Lately)),
	}, nil
}

// copies describes the tasks, by slot and the newest of a slot last. Those that ended before lately are left out.
func copies(service string, tasks []swarm.Task, nodes map[string]swarm.Node, lately time.Time) []healer.Copy {
	slices.SortFunc(tasks, func(a, b swarm.Task) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	var list []healer.Copy
	for _, t := range tasks {
		if !wanted(t) && t.Status.Timestamp.Before(lately) {
			continue
		}
		n := nodes[t.NodeID]
		made := healer.Copy{
			ID: t.ID, Slot: t.Slot, Node: cmp.Or(n.Description.Hostname, t.NodeID), Since: t.Status.Timestamp,
			Running: t.Status.State == swarm.TaskStateRunning && wanted(t) && n.Status.State != swarm.NodeStateDown,
			Problem: problem(t, n),
		}
		if t.Status.ContainerStatus != nil && t.Status.ContainerStatus.ContainerID != "" {
			made.ID = t.Status.ContainerStatus.ContainerID
			made.Name = fmt.Sprintf("%s.%d.%s", service, t.Slot, t.ID) // as Swarm calls them
		}
		list = append(list, made)
	}
	return list
}

// wanted reports whether Swarm means the task to run, now or once a replacement's turn has come.
func wanted(t swarm.Task) bool {
	return t.DesiredState == swarm.TaskStateRunning || t.DesiredState == swarm.TaskStateReady
}

// problem is Swarm's word for why a task does not run.
func problem(t swarm.Task, n swarm.Node) string {
	switch {
	case n.Status.State == swarm.NodeStateDown && t.Status.State == swarm.TaskStateRunning:
		return fmt.Sprintf("node %s is down", cmp.Or(n.Description.Hostname, t.NodeID)) + because(n.Status.Message)
	case t.Status.State == swarm.TaskStateRunning && wanted(t):
		return ""
	case t.Status.State == swarm.TaskStateRunning:
		return "Swarm is shutting it down"
	}
	return string(t.Status.State) + because(cmp.Or(t.Status.Err, t.Status.Message))
}

func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
