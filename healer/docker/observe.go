package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/healer"
)

// Observe implements healer.Runtime. Copies are our containers of the service, whether they run or not, and the containers of others
// that carry its name: those have no slot.
func (r *Runtime) Observe(ctx context.Context, s *healer.Service) (healer.Observation, error) {
	c, err := r.engine.Open()
	if err != nil {
		return healer.Observation{}, err
	}
	defer c.Close()
	if err := r.accept(ctx, c, s); err != nil {
		return healer.Observation{}, err
	}
	node, err := r.nodeName(ctx, c)
	if err != nil {
		return healer.Observation{}, err
	}
	all, err := r.list(ctx, c)
	if err != nil {
		return healer.Observation{}, err
	}
	o := healer.Observation{Replicas: -1}
	for _, summary := range all {
		copied, concerns, err := r.copyOf(ctx, c, s, summary)
		if err != nil {
			return healer.Observation{}, err
		}
		if concerns {
			copied.Node = node
			o.Copies = append(o.Copies, copied)
		}
	}
	slices.SortFunc(o.Copies, func(a, b healer.Copy) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.ID, b.ID))
	})
	return o, nil
}

// list returns every container of the engine, stopped ones as well.
func (r *Runtime) list(ctx context.Context, c *client.Client) (all []container.Summary, err error) {
	err = r.engine.Ask(ctx, "listing containers", 0, func(ctx context.Context) (err error) {
		all, err = c.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	return all, err
}

// copyOf describes a container that concerns the service.
func (r *Runtime) copyOf(ctx context.Context, c *client.Client, s *healer.Service, summary container.Summary) (healer.Copy, bool, error) {
	p, ours := placeOf(summary.Labels, r.config.Owner)
	switch {
	case ours && p.domain == s.Domain:
	case !occupies(summary, s.Domain):
		return healer.Copy{}, false, nil
	case summary.Labels[swarmService] != "":
		return healer.Copy{}, false, fmt.Errorf("%w: Swarm's service %s runs %s on %s: name it in run.swarm, or remove it",
			healer.ErrRefused, summary.Labels[swarmService], s.Domain, r.engine)
	default:
		return foreign(summary), true, nil
	}
	found, exists, err := inspect(ctx, c, r.engine, summary.ID)
	if err != nil || !exists {
		return healer.Copy{}, false, err
	}
	state := found.State
	return healer.Copy{
		ID: found.ID, Name: strings.TrimPrefix(found.Name, "/"), Slot: p.slot, Generation: p.generation,
		Running: state.Running, Since: since(found.ContainerJSONBase), Problem: problem(found),
	}, true, nil
}

// occupies reports whether a container that is none of ours serves the domain or has a name of its copies.
func occupies(summary container.Summary, domain string) bool {
	if strings.EqualFold(summary.Labels[labelDomain], domain) || strings.EqualFold(summary.Labels["SERVICE_NAME"], domain) {
		return true
	}
	return slices.ContainsFunc(summary.Names, func(name string) bool { return takesName(name, domain) })
}

func foreign(summary container.Summary) healer.Copy {
	name := ""
	for _, linked := range summary.Names { // the own name has one slash, those that links give it have more
		if own := strings.TrimPrefix(linked, "/"); !strings.Contains(own, "/") {
			name = own
		}
	}
	return healer.Copy{
		ID: summary.ID, Name: name, Running: summary.State == container.StateRunning, Since: time.Unix(summary.Created, 0),
		Problem: fmt.Sprintf("container %s was not started by this Fairlead and is left alone", name),
	}
}

// inspect looks at one container; exists is false for one that is gone. Only the full ID finds one: the engine would also take a
// beginning, or a name.
func inspect(ctx context.Context, c *client.Client, e Engine, id string) (found container.InspectResponse, exists bool, err error) {
	err = e.Ask(ctx, "inspecting container "+short(id), 0, func(ctx context.Context) (err error) {
		found, err = c.ContainerInspect(ctx, id)
		return err
	})
	switch {
	case errdefs.IsNotFound(err):
		return found, false, nil
	case err != nil:
		return found, false, err
	case found.ContainerJSONBase == nil || found.State == nil || found.Config == nil || found.HostConfig == nil:
		return found, false, fmt.Errorf("%s: inspecting container %s: the answer is incomplete", e, short(id))
	}
	return found, found.ID == id, nil
}

// since is when the container came into its present state.
func since(b *container.ContainerJSONBase) time.Time {
	stamp := b.State.FinishedAt
	if b.State.Running {
		stamp = b.State.StartedAt
	}
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil || at.Year() <= 1 { // the engine's zero: it never started
		at, _ = time.Parse(time.RFC3339Nano, b.Created) // zero is "unknown" to the caller
	}
	return at
}

// problem is the engine's word for what is wrong with a container.
func problem(c container.InspectResponse) string {
	state := c.State
	switch {
	case state.Paused:
		return "paused"
	case state.Restarting:
		return fmt.Sprintf("restarting, last exit code %d%s", state.ExitCode, words(state.Error))
	case state.Running && endless(c.HostConfig.RestartPolicy):
		return fmt.Sprintf("its restart policy was changed to %s, which would revive it once it is replaced", c.HostConfig.RestartPolicy.Name)
	case state.Running && state.Health != nil && state.Health.Status == container.Unhealthy:
		return "unhealthy" + words(lastProbe(state.Health))
	case state.Running:
		return ""
	case state.Status == container.StateCreated:
		return "created but not started" + words(state.Error)
	case state.OOMKilled:
		return fmt.Sprintf("out of memory, exit code %d%s", state.ExitCode, words(state.Error))
	}
	return fmt.Sprintf("exit code %d%s", state.ExitCode, words(state.Error))
}

func endless(p container.RestartPolicy) bool { return p.IsAlways() || p.IsUnlessStopped() }

func lastProbe(h *container.Health) string {
	if len(h.Log) == 0 {
		return ""
	}
	return strings.TrimSpace(h.Log[len(h.Log)-1].Output)
}

func words(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// short is an ID as people write it.
func short(id string) string { return id[:min(12, len(id))] }
