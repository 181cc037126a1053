// Package agent is the door of a host's agent for readers: what its containers say and use, over HTTP. Nothing can be changed by it. Who
// a client is, and that the connection is encrypted, is the listener's part; what each may read is this package's.
package agent
