package consul

import (
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
)

// check is what counts of a health check.
type check struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string
	ServiceID   string
	ServiceName string
	ModifyIndex uint64
}

// health returns the state of the check. A state nobody knows is critical: what cannot be read is not served.
func (c *check) health() discovery.Health {
	if c.CheckID == api.NodeMaint || strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix) {
		return discovery.Maintenance
	}
	switch c.Status {
	case api.HealthPassing:
		return discovery.Passing
	case api.HealthWarning:
		return discovery.Warning
	}
	return discovery.Critical
}

// checkState returns the state in which Consul lists the worst check of an instance; maintenance is a critical check.
func checkState(h discovery.Health) string {
	switch h {
	case discovery.Passing:
		return api.HealthPassing
	case discovery.Warning:
		return api.HealthWarning
	}
	return api.HealthCritical
}

// note says in an operator's words what the check did.
func (c *check) note() string {
	name := c.Name
	if name == "" {
		name = c.CheckID
	}
	switch {
	case c.CheckID == api.NodeMaint && c.Notes != "":
		return "node in maintenance: " + c.Notes
	case c.CheckID == api.NodeMaint:
		return "node in maintenance"
	case strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix) && c.Notes != "":
		return "service in maintenance: " + c.Notes
	case strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix):
		return "service in maintenance"
	}
	return name + " is " + c.Status
}

// worst returns the state of an instance, the worst of its own checks and its node's, and the check that made it so: of several
// the first by ID, so that the same checks in another order say the same. Without checks an instance passes.
func worst(checks []check) (discovery.Health, string) {
	health := discovery.Passing
	var by *check
	for i := range checks {
		c := &checks[i]
		switch h := c.health(); {
		case h > health, h == health && by != nil && c.CheckID < by.CheckID:
			health, by = h, c
		}
	}
	if by == nil {
		return health, ""
	}
	return health, by.note()
}
