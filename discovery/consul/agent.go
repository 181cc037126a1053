package consul

import "github.com/hashicorp/consul/api"

// NewAgent returns an API client of the agent that c names, with c's TLS and the token of the moment in every request, for other work
// than following the catalogue. It sets no time limit: give each request a context that ends.
func NewAgent(c Config) (*api.Client, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	made, err := newClient(c)
	if err != nil {
		return nil, err
	}
	return made.api, nil
}
