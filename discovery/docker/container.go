package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// Labels that Swarm puts on the containers of its tasks.
const (
	swarmServiceLabel = "com.docker.swarm.service.name"
	swarmTaskLabel    = "com.docker.swarm.task.id"
)

// container is what counts of the engine's answer about one container.
type container struct {
	id, name         string
	image            string // as it was asked for; an ID if the image has no name
	imageID          string
	created, started string // RFC 3339; started changes with every start
	running, paused  bool
	health           string // as its HEALTHCHECK says, empty without one
	stopSignal       int
	stopTimeout      time.Duration // after which the engine kills it, 0: the engine's own
	labels           labels
	swarmService     string
	swarmTask        string

	hostNetwork bool
	sharing     string // the container whose network it shares
	ports       []port
	networks    map[string]endpoint
}

// port is a port that the container exposes, with its bindings on the host as the engine has made them.
type port struct {
	number   uint16
	proto    string
	bindings []binding
}

// String writes a port as Docker does.
func (p port) String() string { return fmt.Sprintf("%d/%s", p.number, p.proto) }

// binding is a port of the host, in the engine's words.
type binding struct{ ip, port string }

// endpoint is a container's place in a network; what it does not have is invalid.
type endpoint struct{ four, six netip.Addr }

// readContainer takes over an answer. One that names no container or state is garbage.
func readContainer(r api.InspectResponse) (*container, error) {
	if r.ContainerJSONBase == nil || r.ID == "" || r.State == nil || r.Config == nil {
		return nil, errors.New("the answer has no ID, state or configuration")
	}
	c := &container{
		id: r.ID, name: strings.TrimPrefix(r.Name, "/"), image: r.Config.Image, imageID: r.Image,
		created: r.Created, started: r.State.StartedAt,
		running:    r.State.Running && !r.State.Restarting && !r.State.Dead,
		paused:     r.State.Paused,
		stopSignal: signalNumber(r.Config.StopSignal),
		labels:     readLabels(r.Config.Env, r.Config.Labels),

		swarmService: r.Config.Labels[swarmServiceLabel],
		swarmTask:    r.Config.Labels[swarmTaskLabel],
	}
	if r.Config.StopTimeout != nil {
		c.stopTimeout = time.Duration(*r.Config.StopTimeout) * time.Second
	}
	if r.State.Health != nil && r.State.Health.Status != api.NoHealthcheck {
		c.health = r.State.Health.Status
	}
	if r.HostConfig != nil {
		c.hostNetwork = r.HostConfig.NetworkMode.IsHost()
		c.sharing = r.HostConfig.NetworkMode.ConnectedContainer()
	}
	c.ports = readPorts(r)
	if r.NetworkSettings != nil {
		c.networks = readNetworks(r.NetworkSettings.Networks)
	}
	return c, nil
}

func readNetworks(settings map[string]*network.EndpointSettings) map[string]endpoint {
	networks := map[string]endpoint{}
	for name, s := range settings {
		if s == nil {
			continue
		}
		var e endpoint
		e.four, _ = netip.ParseAddr(s.IPAddress) // empty until it has one
		e.six, _ = netip.ParseAddr(s.GlobalIPv6Address)
		networks[name] = e
	}
	return networks
}
