package consul

import (
	"fmt"

	"github.com/hashicorp/consul/api"
)

// Indexes returns Consul's versions of all that watchers see, by what they are of. They stand still while nothing is written.
func (a *Agent) Indexes() (map[string]uint64, error) {
	c := a.Client()
	out := map[string]uint64{}
	for what, ask := range map[string]func() (*api.QueryMeta, error){
		"services": func() (*api.QueryMeta, error) {
			_, meta, err := c.Catalog().Services(nil)
			return meta, err
		},
		"nodes": func() (*api.QueryMeta, error) {
			_, meta, err := c.Catalog().Nodes(nil)
			return meta, err
		},
		"node services": func() (*api.QueryMeta, error) {
			_, meta, err := c.Catalog().NodeServiceList(a.Node, nil)
			return meta, err
		},
		"checks": func() (*api.QueryMeta, error) {
			_, meta, err := c.Health().State(api.HealthAny, nil)
			return meta, err
		},
		"kv": func() (*api.QueryMeta, error) {
			_, meta, err := c.KV().List("", nil)
			return meta, err
		},
		"sessions": func() (*api.QueryMeta, error) {
			_, meta, err := c.Session().List(nil)
			return meta, err
		},
	} {
		meta, err := ask()
		if err != nil {
			return nil, fmt.Errorf("reading Consul's index of %s: %w", what, err)
		}
		out[what] = meta.LastIndex
	}
	return out, nil
}
