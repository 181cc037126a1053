package message

import "github.com/fairlead/fairlead/proxy/http1"

// Passes reports whether a client's field is for the member: not what belongs to one hop only, nor what we write ourselves. kind is
// http1.KindOf(name).
func Passes(name string, kind http1.Kind) bool {
	if kind != http1.Other || name == "" || name[0] == ':' { // a pseudo-header of HTTP/2
		return false
	}
	switch len(name) {
	case 9:
		return !http1.EqualFold(name, "forwarded")
	case 14:
		return !http1.EqualFold(name, "http2-settings")
	case 15:
		return !http1.EqualFold(name, "x-forwarded-for")
	case 16:
		return !http1.EqualFold(name, "x-forwarded-host")
	case 17:
		return !http1.EqualFold(name, "x-forwarded-proto")
	}
	return true
}

// TrailerPasses reports whether a field may stand in a trailer section: nothing that frames, routes or forwards a message
// (RFC 9110 §6.5.1).
func TrailerPasses(name string) bool {
	for _, barred := range [...]string{"authorization", "cookie", "set-cookie", "content-type", "content-encoding", "content-range"} {
		if http1.EqualFold(name, barred) {
			return false
		}
	}
	return Passes(name, http1.KindOf(name))
}

// Replaces reports whether a member's field stands in place of our own of the same name, where two would contradict each other.
func Replaces(name string) bool {
	switch len(name) {
	case 4:
		return http1.EqualFold(name, "date") || http1.EqualFold(name, "etag")
	case 6:
		return http1.EqualFold(name, "server")
	case 8:
		return http1.EqualFold(name, "location")
	case 12:
		return http1.EqualFold(name, "content-type")
	case 13:
		return http1.EqualFold(name, "last-modified")
	}
	return false
}
