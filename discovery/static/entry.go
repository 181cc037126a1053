package static

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/discovery"
)

// maxWeight is Consul's limit too.
const maxWeight = 65535

// entry is an instance as the file writes it.
type entry struct {
	id, node, address, health string
	port                      int
	weight                    *int
	tags                      []string
	meta                      map[string]string
}

// field returns where the value of a key belongs, nil for an unknown one.
func (e *entry) field(key string) any {
	switch key {
	case "id":
		return &e.id
	case "node":
		return &e.node
	case "address":
		return &e.address
	case "port":
		return &e.port
	case "tags":
		return &e.tags
	case "meta":
		return &e.meta
	case "health":
		return &e.health
	case "weight":
		return &e.weight
	}
	return nil
}

// instance checks the entry and fills in its defaults.
func (e *entry) instance(cluster, service string) (discovery.Instance, error) {
	i := discovery.Instance{
		Cluster:   cluster,
		Node:      cmp.Or(e.node, "static"),
		Service:   service,
		ServiceID: cmp.Or(e.id, service+"-"+e.address+"-"+strconv.Itoa(e.port)),
		Address:   e.address,
		Port:      uint16(e.port),
		Tags:      e.tags,
		Meta:      e.meta,
	}
	i.ID = discovery.InstanceID(cluster, i.Node, i.ServiceID)
	if err := checkAddress(e.address); err != nil {
		return i, fmt.Errorf("field address: %w", err)
	}
	if e.port < 1 || e.port > 65535 {
		return i, fmt.Errorf("field port: %d is not a port from 1 to 65535", e.port)
	}
	if e.weight != nil {
		if *e.weight < 0 || *e.weight > maxWeight {
			return i, fmt.Errorf("field weight: %d is not a weight from 0 to %d", *e.weight, maxWeight)
		}
		i.Weights = discovery.Weights{Passing: *e.weight, Warning: *e.weight}
	}
	var known bool
	if i.Health, known = healths[cmp.Or(e.health, "passing")]; !known {
		return i, fmt.Errorf("field health: %q is none of passing, warning, critical and maintenance", e.health)
	}
	return i, nil
}

// healths are the words for an instance's health. They are Consul's, but a word that is none of them is an error here, where
// Health.UnmarshalText takes it for critical.
var healths = map[string]discovery.Health{
	discovery.Passing.String():     discovery.Passing,
	discovery.Warning.String():     discovery.Warning,
	discovery.Critical.String():    discovery.Critical,
	discovery.Maintenance.String(): discovery.Maintenance,
}

// checkName refuses service names that could be no service's anywhere.
func checkName(name string) error {
	if name == "" {
		return errors.New("the name is empty")
	}
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return errors.New("the name has spaces or control characters in it")
	}
	return nil
}

// checkAddress refuses what is neither an IP address nor a host name.
func checkAddress(address string) error {
	if address == "" {
		return errors.New("it is empty")
	}
	if _, err := netip.ParseAddr(address); err == nil {
		return nil
	}
	for _, r := range address {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
		default:
			return fmt.Errorf("%q is neither an IP address (without brackets and port) nor a host name", address)
		}
	}
	return nil
}
