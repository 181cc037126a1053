// Package egress opens connections to members and keeps the idle ones: per instance and address, newest first, bounded, and closed
// when their time is over or their member has gone. Every address is judged at the moment of dialling, after a host name was
// resolved, so that neither a registration nor a name can lead into the proxy itself or a cloud's metadata service.
package egress
