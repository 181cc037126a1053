// Package faults breaks a laboratory of real hosts in every way that a fleet is known to break, and watches what Fairlead makes of it.
// The faults, with their numbers and what must hold, are listed in list_test.go; each family has a file of its own. It consists of tests:
//
//	make faults                                      # with timers of a twentieth
//	make lab-faults                                  # with the built-in ones
//	make faults FAULTS=hosts/01
//
// Every fault meets two services that are the same, but that the healer knows one of them only: what becomes of the other is what the
// engines do alone. Beside each fault a client counts the requests that fail at the edges, and a watcher looks for what must never be:
// two copies in one slot, two healers that act, more replicas than wanted, registrations without a container. After each the services are
// as wanted, and Consul's indexes stand still.
package faults
