// Package lane puts the lane of package proxy/lane between Caddy's listeners and its HTTP servers.
//
// It is a listener wrapper behind TLS and before the guard. What it accepts goes to the lane, which serves plain requests for discovered
// domains by itself; a connection that brings any other request is handed over, unread from that request on, and comes out of the
// wrapper's Accept for Caddy to serve. HTTP/2 goes straight on.
//
// There is one lane for each address in the process (group), and it outlives configurations: a reload touches no connection that it
// holds. Each configuration has a listener in the group; the newest one that has started says how requests are served and gets what is
// handed over, by the same order as in package network.
package lane
