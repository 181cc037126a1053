// Package registrar keeps the instances of a discovery.Source registered in the Consul agent of this host.
//
// # What is written
//
// The instances that the source tells of are compared with what the agent has: at the start, after each change, and every Resync. Only what
// differs is written, so that Consul's indexes stand still while nothing happens. Failures are retried one by one, and no failure of the
// agent, of the source or of a single instance ends the process.
//
// # What is ours
//
// A service is ours if its Meta says so: owner and node_id as configured. Everything else in the agent is left alone, whatever its ID, and
// an instance whose ID is taken by somebody else is refused with a reason. Of a service that is ours everything is: checks that others
// attach to it are removed with its next update, but for the maintenance that an operator sets, which stays until he ends it.
//
// # What is removed
//
// An instance that leaves the source in this life is deregistered at once. A service of ours that the source has never told of is a ghost
// of an earlier life, and deregistered once Probation has passed since the start. A source that is in doubt or has not been heard
// completely deregisters nothing. One that appears after the start and is ours by its Meta, but not by our hand, betrays another registrar
// with the same owner and node: it is left alone, and said.
//
// # Checks
//
// Checks come from Registrator's attributes check_* in an instance's Meta. Consul's agent does not tell how a check is defined, so each
// carries its definition as text in its Notes, and that is compared. What a check found survives a new registration.
package registrar
