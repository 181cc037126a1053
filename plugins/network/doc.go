// Package network keeps one open socket per address for the whole process, however often the configuration is replaced.
//
// Caddy's own way opens another SO_REUSEPORT socket for each configuration and closes the old one together with the connections
// that wait in its queue. Here each configuration gets a descriptor of the same socket instead: the queue is one, the newest
// configuration accepts, a configuration that failed closes only its own descriptor, and the socket ends with the last of them.
//
// HTTP servers come here by the networks "shared", "shared4" and "shared6", which Share writes into their listen addresses;
// HTTP/3 stays with Caddy, which shares its UDP sockets itself.
package network
