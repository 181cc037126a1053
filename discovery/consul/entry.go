package consul

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/discovery"
)

// entry is an element of /v1/health/service/NAME: what counts of it, since decoding the rest would cost twice as much.
type entry struct {
	Node *struct {
		Node    string
		Address string
	}
	Service *struct {
		Kind        string
		ID          string
		Service     string
		Address     string
		Port        int
		Tags        []string
		Meta        map[string]string
		Weights     discovery.Weights
		CreateIndex uint64
		ModifyIndex uint64
	}
	Checks []check
}

// registration is a version of one registered copy, of whatever kind.
type registration struct {
	node, id string
	modify   uint64
}

// reading is the decoded answer for one service.
type reading struct {
	service       *discovery.Service
	registrations []registration // the kinds left out of service too
}

// decode turns the entries for a service into facts. An entry that names no node, service ID or address makes the answer garbage;
// a port beyond 65535, which Consul accepts, becomes 0, which nobody dials.
func decode(cluster, name string, index uint64, entries []entry) (reading, error) {
	out := reading{
		service:       &discovery.Service{Name: name, Index: index, Instances: make([]discovery.Instance, 0, len(entries))},
		registrations: make([]registration, 0, len(entries)),
	}
	for i := range entries {
		e := &entries[i]
		if e.Node == nil || e.Service == nil || e.Node.Node == "" || e.Service.ID == "" {
			return reading{}, fmt.Errorf("entry %d of %s has no node or no service ID", i, name)
		}
		out.registrations = append(out.registrations, registration{e.Node.Node, e.Service.ID, e.Service.ModifyIndex})
		if e.Service.Kind != "" {
			continue
		}
		instance := e.instance(cluster, name)
		if instance.Address == "" {
			return reading{}, fmt.Errorf("instance %s has no address, nor has its node", instance.ID)
		}
		out.service.Instances = append(out.service.Instances, instance)
	}
	slices.SortFunc(out.service.Instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func (e *entry) instance(cluster, name string) discovery.Instance {
	s := e.Service
	instance := discovery.Instance{
		ID:          discovery.InstanceID(cluster, e.Node.Node, s.ID),
		Cluster:     cluster,
		Node:        e.Node.Node,
		Service:     name,
		ServiceID:   s.ID,
		Address:     bare(s.Address),
		Tags:        s.Tags,
		Meta:        s.Meta,
		Weights:     s.Weights,
		CreateIndex: s.CreateIndex,
	}
	if instance.Address == "" {
		instance.Address = bare(e.Node.Address)
	}
	if s.Port > 0 && s.Port <= 65535 {
		instance.Port = uint16(s.Port)
	}
	instance.Health, instance.HealthNote = worst(e.Checks)
	return instance
}

// bare takes the brackets off an IPv6 address that was registered with them.
func bare(address string) string {
	if len(address) > 2 && address[0] == '[' && address[len(address)-1] == ']' {
		return address[1 : len(address)-1]
	}
	return address
}
