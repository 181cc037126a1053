package discovery

import (
	"net"
	"strconv"
)

// Health is what an instance's source says of it. The zero value is Passing: a service without checks passes, as in Consul.
type Health uint8

// The states of Consul's checks, worst last; Maintenance is Consul's maintenance mode of a service or of its node.
const (
	Passing Health = iota
	Warning
	Critical
	Maintenance
)

var healthNames = [...]string{"passing", "warning", "critical", "maintenance"}

// String returns Consul's word for the state.
func (h Health) String() string {
	if int(h) < len(healthNames) {
		return healthNames[h]
	}
	return "unknown"
}

// MarshalText writes the state as Consul's word.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads Consul's word. An unknown word is Critical: what cannot be read is not served.
func (h *Health) UnmarshalText(text []byte) error {
	for i, name := range healthNames {
		if string(text) == name {
			*h = Health(i)
			return nil
		}
	}
	*h = Critical
	return nil
}

// Weights are Consul's Service.Weights: the share of an instance while it passes and while it warns.
// Zero means the source gave none, and counts as 1.
type Weights struct {
	Passing int `json:"passing,omitempty"`
	Warning int `json:"warning,omitempty"`
}

// Instance is one registered copy of a service: a fact, never changed once published. Its slices and maps belong to whoever
// published it and are read-only for everybody else.
type Instance struct {
	// ID is InstanceID(Cluster, Node, ServiceID). Service IDs alone are unique per node only.
	ID        string `json:"id"`
	Cluster   string `json:"cluster"`
	Node      string `json:"node"`
	Service   string `json:"service"`
	ServiceID string `json:"service_id"`
	// Address is an IP address, or a host name where the source gave one; never empty. IPv6 stands without brackets.
	Address     string            `json:"address"`
	Port        uint16            `json:"port"`
	Tags        []string          `json:"tags,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	Weights     Weights           `json:"weights,omitzero"`
	Health      Health            `json:"health"`
	HealthNote  string            `json:"health_note,omitempty"` // the check that made it what it is
	CreateIndex uint64            `json:"create_index,omitempty"`
	// Held says why the instance is kept although its source no longer vouches for it: restored from the snapshot file, or
	// part of a mass that vanished at once. Empty for a plain fact.
	Held string `json:"held,omitempty"`
}

// InstanceID returns the ID of a service copy: cluster/node/service ID.
func InstanceID(cluster, node, serviceID string) string {
	return cluster + "/" + node + "/" + serviceID
}

// Present reports whether the instance is registered and passing or warning at its source: what the healer counts,
// whatever our own checks, limits or drains say.
func (i *Instance) Present() bool { return i.Health == Passing || i.Health == Warning }

// HostPort returns the address to dial, an IPv6 address in brackets.
func (i *Instance) HostPort() string {
	return net.JoinHostPort(i.Address, strconv.Itoa(int(i.Port)))
}
