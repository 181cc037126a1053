package consul

import (
	"fmt"

	"github.com/hashicorp/consul/api"
)

// Catalog registers services on nodes that no agent owns, so that no anti-entropy takes them away.
type Catalog struct {
	Client *api.Client
	Nodes  int
}

// Node returns the name of the node that the i-th instance is on.
func (c *Catalog) Node(i int) string { return fmt.Sprintf("host-%03d", i%c.Nodes) }

// txnOps is the most operations that Consul takes in one transaction.
const txnOps = 64

// Fill registers the nodes, and services sNNNN.example.com of so many copies each, with a passing check each.
func (c *Catalog) Fill(services, copies int) error {
	var ops api.TxnOps
	for i := range c.Nodes {
		ops = append(ops, &api.TxnOp{Node: &api.NodeTxnOp{Verb: api.NodeSet, Node: api.Node{Node: c.Node(i), Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)}}})
	}
	for i := range services * copies {
		name, id, at := fmt.Sprintf("s%04d.example.com", i/copies), fmt.Sprintf("s%04d-%d", i/copies, i%copies), c.Node(i)
		ops = append(ops,
			&api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: at, Service: api.AgentService{
				ID: id, Service: name, Port: 20000 + i, Tags: []string{"master"}, Meta: map[string]string{"version": "1"},
			}}},
			&api.TxnOp{Check: &api.CheckTxnOp{Verb: api.CheckSet, Check: api.HealthCheck{
				Node: at, CheckID: "service:" + id, Name: "it answers", Status: api.HealthPassing, ServiceID: id, ServiceName: name,
			}}})
	}
	for ; len(ops) > 0; ops = ops[min(txnOps, len(ops)):] {
		done, answer, _, err := c.Client.Txn().Txn(ops[:min(txnOps, len(ops))], nil)
		if err != nil {
			return fmt.Errorf("filling the catalog: %w", err)
		}
		if !done {
			return fmt.Errorf("filling the catalog: %s", answer.Errors[0].What)
		}
	}
	return nil
}

// Register adds or changes one instance of a service, with a passing check.
func (c *Catalog) Register(name, id string, at int, meta string) error {
	_, err := c.Client.Catalog().Register(&api.CatalogRegistration{
		Node: c.Node(at), SkipNodeUpdate: true,
		Service: &api.AgentService{ID: id, Service: name, Port: 8080, Tags: []string{"master"}, Meta: map[string]string{"version": meta}},
		Check:   &api.AgentCheck{Node: c.Node(at), CheckID: "service:" + id, Name: "it answers", Status: api.HealthPassing, ServiceID: id, ServiceName: name},
	}, nil)
	if err != nil {
		return fmt.Errorf("registering %s: %w", name, err)
	}
	return nil
}

// Deregister removes one instance by its service ID.
func (c *Catalog) Deregister(id string, at int) error {
	if _, err := c.Client.Catalog().Deregister(&api.CatalogDeregistration{Node: c.Node(at), ServiceID: id}, nil); err != nil {
		return fmt.Errorf("deregistering %s: %w", id, err)
	}
	return nil
}
