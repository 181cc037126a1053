// Package app is the Caddy app "fairlead": it turns the configuration into clusters with their sources, an edge over them and a
// nameserver, and gives these their life within Caddy's. It holds no decision about traffic.
//
// What is about the world and not about the configuration (facts, health verdicts, meters, connections) belongs to the process and
// outlives a reload; see pools.go. Each configuration has an edge of its own over it, whose first snapshot is built while the
// configuration is being provisioned, before any of its listeners opens.
package app
