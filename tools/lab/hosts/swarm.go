package hosts

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// swarmTime bounds a host's joining, and the wait for all to be ready.
const swarmTime = 90 * time.Second

// joinSwarm makes the first host's engine a swarm, and the others managers in it.
func (l *Lab) joinSwarm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, swarmTime)
	defer cancel()
	first := l.Hosts[0]
	request := swarm.InitRequest{ListenAddr: "0.0.0.0:2377", AdvertiseAddr: first.Address.String()}
	request.Spec.Dispatcher.HeartbeatPeriod = l.options.Heartbeat
	if _, err := first.engine.SwarmInit(ctx, request); err != nil {
		return fmt.Errorf("making a swarm: %w", err)
	}
	all, err := first.engine.SwarmInspect(ctx)
	if err != nil {
		return fmt.Errorf("asking for the swarm's tokens: %w", err)
	}
	for _, h := range l.Hosts[1:] { // one after another: each changes the number that is a majority
		err := h.engine.SwarmJoin(ctx, swarm.JoinRequest{
			ListenAddr: "0.0.0.0:2377", AdvertiseAddr: h.Address.String(), JoinToken: all.JoinTokens.Manager,
			RemoteAddrs: []string{first.Addr(2377)},
		})
		if err != nil {
			return fmt.Errorf("%s joining the swarm: %w", h.Name, err)
		}
	}
	return l.waitNodes(ctx, first)
}

// waitNodes waits until the swarm knows every host as ready.
func (l *Lab) waitNodes(ctx context.Context, h *Host) error {
	for {
		nodes, err := h.engine.NodeList(ctx, swarm.NodeListOptions{})
		ready := 0
		for _, n := range nodes {
			if n.Status.State == swarm.NodeStateReady {
				ready++
			}
		}
		if ready == len(l.Hosts) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes are ready: %w: %w", ready, len(l.Hosts), ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Service describes a Swarm service of the image Web, published in host mode at this port of each host that runs a copy; with port 0
// each copy has a port that its engine chooses, and a host can run several. Each copy answers with its host's name, then its own.
func Service(name string, replicas uint64, port int) swarm.ServiceSpec {
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: Web, Env: []string{"NODE={{.Node.Hostname}}"}},
		},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR, Ports: []swarm.PortConfig{{
			Protocol: swarm.PortConfigProtocolTCP, TargetPort: WebPort, PublishedPort: uint32(port), PublishMode: swarm.PortConfigPublishModeHost,
		}}},
	}
}
