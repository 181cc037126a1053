package docker

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/discovery"
)

// claim is what one container wants to be.
type claim struct {
	id, name, created string
	built
}

// assemble puts what the containers make into services. Two that claim one ID cannot both have it: the elder keeps it.
func assemble(all []claim) (map[string]*discovery.Service, []Refusal) {
	slices.SortFunc(all, func(a, b claim) int { return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id)) })
	services := map[string]*discovery.Service{}
	var refusals []Refusal
	holders := map[string]string{} // by instance ID
	for _, c := range all {
		refusals = append(refusals, c.refusals...)
		for _, i := range c.instances {
			if holder, taken := holders[i.ID]; taken {
				refusals = append(refusals, Refusal{
					Container: c.name, ContainerID: c.id, Service: i.Service,
					Reason: fmt.Sprintf("the ID %q is taken by container %s: give each port of each container its own", i.ServiceID, holder),
				})
				continue
			}
			holders[i.ID] = c.name
			s := services[i.Service]
			if s == nil {
				s = &discovery.Service{Name: i.Service}
				services[i.Service] = s
			}
			s.Instances = append(s.Instances, i)
		}
	}
	for _, s := range services {
		slices.SortFunc(s.Instances, func(a, b discovery.Instance) int { return cmp.Compare(a.ID, b.ID) })
	}
	slices.SortFunc(refusals, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.ContainerID, b.ContainerID), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Reason, b.Reason))
	})
	return services, refusals
}

// same reports whether two sets tell the same facts.
func same(a, b *discovery.Service) bool {
	return slices.EqualFunc(a.Instances, b.Instances, func(x, y discovery.Instance) bool { return x.Equal(&y) })
}
