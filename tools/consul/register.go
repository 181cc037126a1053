package consul

import (
	"fmt"

	"github.com/hashicorp/consul/api"
)

// Register registers a service with the agent, with its checks as they stand in r.
func (a *Agent) Register(r *api.AgentServiceRegistration) error {
	if err := a.Client().Agent().ServiceRegister(r); err != nil {
		return fmt.Errorf("registering %s: %w", r.Name, err)
	}
	return nil
}

// Deregister removes a service of the agent by its service ID.
func (a *Agent) Deregister(id string) error {
	if err := a.Client().Agent().ServiceDeregister(id); err != nil {
		return fmt.Errorf("deregistering %s: %w", id, err)
	}
	return nil
}

// SetCheck sets the state of a TTL check: api.HealthPassing, HealthWarning or HealthCritical.
func (a *Agent) SetCheck(id, state string) error {
	if err := a.Client().Agent().UpdateTTL(id, "", state); err != nil {
		return fmt.Errorf("setting check %s: %w", id, err)
	}
	return nil
}
