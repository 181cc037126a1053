// Package proxy is the edge: it owns one process's tables, verdicts, meters and connections to members, and the one loop that writes
// snapshots. It decides nothing itself. Facts come from discovery, pool.Build makes snapshots of them, route decides, and the doors
// serve; what clients, operators and certificates ask of the edge as a whole is answered here.
//
// A Shared lives as long as the process, an Edge as long as a configuration, so that a reload forgets nothing: two Edges over one
// Shared may overlap.
package proxy
