package fleet

import (
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// Labels have the agents register a container under a domain, with a check every second.
func Labels(domain string) map[string]string {
	return map[string]string{"SERVICE_NAME": domain, "SERVICE_CHECK_HTTP": "/health", "SERVICE_CHECK_INTERVAL": "1s", "SERVICE_CHECK_TIMEOUT": "5s"}
}

// Service describes a Swarm service of the image Web that is registered under a domain. Swarm starts a copy again after delay.
func Service(name, domain string, replicas uint64, delay time.Duration) swarm.ServiceSpec {
	spec := hosts.Service(name, replicas, 0)
	spec.TaskTemplate.ContainerSpec.Labels = Labels(domain)
	spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay}
	return spec
}
