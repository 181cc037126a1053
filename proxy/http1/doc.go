// Package http1 is the wire format of HTTP/1.1 (RFC 9112): heads parsed and written without allocation of their own (a parsed
// head is a set of substrings, so the caller decides whether the string is a copy), message bodies decoded from
// and encoded to a connection, and a Guard that refuses ambiguous requests before a more tolerant parser sees them.
//
// It is strict: what two recipients could read differently is an error, never a guess. It knows no connection pool, no time-out and
// no policy, and imports the standard library only, so that every engine above it can share it.
package http1
