// Package consul runs real Consul agents for tests and measurements.
//
// The folder build is a module of its own: the recipe of the Consul it runs, so that Consul's dependencies are none of Fairlead's.
// FAIRLEAD_CONSUL names a binary to use instead. Tests skip where there is neither, unless FAIRLEAD_REQUIRE (a list, comma-separated)
// names consul: then it is built, once per user, and what cannot be had is a failure.
package consul
