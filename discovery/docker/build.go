package docker

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/discovery"
)

// ownMeta are the keys that are ours to write: a label of such a name is left out.
var ownMeta = []string{discovery.MetaContainer, discovery.MetaSwarmService, discovery.MetaSwarmTask, discovery.MetaOwner, discovery.MetaNodeID}

// builder turns containers into instances. It is pure: the same container makes the same instances.
type builder struct {
	rule addressRule
	node string
}

// built is what a container makes.
type built struct {
	instances []discovery.Instance
	refusals  []Refusal
}

// build returns the instances of a container that runs, in the state given.
func (b builder) build(c *container, health discovery.Health, note string) built {
	var out built
	refuse := func(p port, service, reason string) {
		r := Refusal{Container: c.name, ContainerID: c.id, Service: service, Reason: reason}
		if p.number != 0 {
			r.Port = p.String()
		}
		out.refusals = append(out.refusals, r)
	}
	places := b.rule.places(c)
	if c.labels.problem != "" {
		refuse(port{}, "", c.labels.problem)
		return out
	}
	for _, name := range unplaced(c, places) {
		refuse(port{}, name, "it names this service on a port that is not published")
	}
	for _, p := range places {
		number := p.port.number
		if c.labels.get(number, "ignore") != "" || b.rule.c.Explicit && c.labels.get(number, "name") == "" {
			continue
		}
		name, err := serviceName(c, number, len(places) > 1)
		if err == nil && p.refused != "" {
			err = errors.New(p.refused)
		}
		if err == nil {
			err = checkID(c.labels.get(number, "id"))
		}
		if err != nil {
			refuse(p.port, name, err.Error())
			continue
		}
		i, leftOut := b.instance(c, p, name)
		i.Health, i.HealthNote = health, note
		out.instances = append(out.instances, i)
		for _, key := range leftOut {
			refuse(p.port, name, fmt.Sprintf("%s%s is left out: the Meta key %q is Fairlead's own", prefix, strings.ToUpper(key), key))
		}
	}
	return out
}

// unplaced returns the names of services that the container asks for and that have no port.
func unplaced(c *container, places []place) []string {
	var names []string
	if name := c.labels.global["name"]; len(places) == 0 && name != "" && c.labels.global["ignore"] == "" {
		names = append(names, name)
	}
	for number, of := range c.labels.byPort {
		placed := slices.ContainsFunc(places, func(p place) bool { return p.port.number == number })
		if of["name"] != "" && !placed && c.labels.get(number, "ignore") == "" {
			names = append(names, of["name"])
		}
	}
	slices.Sort(names)
	return names
}

func (b builder) instance(c *container, p place, name string) (i discovery.Instance, leftOut []string) {
	id := c.labels.get(p.port.number, "id")
	if id == "" {
		id = b.node + ":" + c.name + ":" + strconv.Itoa(int(p.port.number))
		if p.port.proto != "tcp" {
			id += ":" + p.port.proto
		}
	}
	i = discovery.Instance{
		ID:        discovery.InstanceID(b.rule.c.Cluster, b.node, id),
		Cluster:   b.rule.c.Cluster,
		Node:      b.node,
		Service:   name,
		ServiceID: id,
		Address:   p.address.String(),
		Port:      p.number,
		Tags:      splitTags(c.labels.get(p.port.number, "tags")),
	}
	if p.port.proto != "tcp" {
		i.Tags = append(i.Tags, p.port.proto)
	}
	i.Meta, leftOut = meta(c, p.port.number)
	return i, leftOut
}

// meta returns an instance's Meta, and the keys that the container may not set.
func meta(c *container, number uint16) (m map[string]string, leftOut []string) {
	m = c.labels.all(number)
	for _, key := range []string{"name", "id", "tags"} {
		delete(m, key)
	}
	maps.DeleteFunc(m, func(_, value string) bool { return value == "" })
	for _, key := range ownMeta {
		if m[key] != "" {
			leftOut = append(leftOut, key)
			delete(m, key)
		}
	}
	m[discovery.MetaContainer] = c.id
	if c.swarmService != "" {
		m[discovery.MetaSwarmService] = c.swarmService
	}
	if c.swarmTask != "" {
		m[discovery.MetaSwarmTask] = c.swarmTask
	}
	return m, leftOut
}

// serviceName returns the name of the service on a port: what the container says, or the image's. Where a container has several ports,
// the number tells them apart, unless the port has a name of its own.
func serviceName(c *container, number uint16, several bool) (string, error) {
	name := c.labels.get(number, "name")
	if name == "" {
		var err error
		if name, err = imageName(c); err != nil {
			return "", err
		}
	}
	if several && !c.labels.ofPort(number, "name") {
		name += "-" + strconv.Itoa(int(number))
	}
	if strings.ContainsFunc(name, unfit) {
		return name, fmt.Errorf("the name %q has spaces or control characters in it", name)
	}
	return name, nil
}

// imageName returns an image's name without registry, path, tag and digest.
func imageName(c *container) (string, error) {
	name, _, _ := strings.Cut(c.image, "@")
	name, _, _ = strings.Cut(path.Base(name), ":")
	digest := strings.TrimPrefix(c.imageID, "sha256:")
	// An image without a name is written by its ID, whole or cut short.
	if name == "" || name == "." || name == "sha256" || len(name) >= 12 && strings.HasPrefix(digest, name) {
		return "", errors.New("its image has no name: say SERVICE_NAME")
	}
	return name, nil
}

func checkID(id string) error {
	if strings.ContainsFunc(id, unfit) {
		return fmt.Errorf("the ID %q has spaces or control characters in it", id)
	}
	return nil
}

func unfit(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// state returns what the engine says of a running container.
func (c *container) state() (discovery.Health, string) {
	switch {
	case c.paused:
		return discovery.Critical, "the container is paused"
	case c.health == "" || c.health == "healthy":
		return discovery.Passing, ""
	case c.health == "starting":
		return discovery.Critical, "its HEALTHCHECK has not passed yet"
	}
	return discovery.Critical, "its HEALTHCHECK says " + c.health
}
