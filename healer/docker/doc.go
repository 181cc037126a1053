// Package docker runs services on one plain Docker engine, and carries out the orders that others leave for this host.
//
// The engine arbitrates: a container is called <domain>.<slot>.<generation>, and the engine refuses the second of a name. Only
// containers that carry this package's labels are ever stopped or removed; Swarm's own are left to Swarm, except that an order may
// stop one for Swarm to replace.
package docker
