// Package balance chooses the member of a pool that serves a request, by the pool's policy. It allocates nothing and takes no lock:
// what policies need is prepared in the pool's lineups, and what changes with every request stands in meters.
package balance
