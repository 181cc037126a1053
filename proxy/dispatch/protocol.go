package dispatch

import (
	"strings"

	"github.com/fairlead/fairlead/proxy/pool"
)

// SpeaksH2C reports whether a request goes to a member by HTTP/2 in clear: where the pool says so, and for gRPC, which comes by HTTP/2
// or later, unless the pool says no. major is the version that the client speaks, contentType that of the request's body, empty where
// there is none or more than one. Upgrades and tunnels, which HTTP/1.1 alone offers to members, are for the caller to keep out.
func SpeaksH2C(spec *pool.Spec, major int, contentType string) bool {
	switch spec.Protocol {
	case "h2c":
		return true
	case "auto":
		return major >= 2 && isGRPC(contentType)
	}
	return false
}

// isGRPC reports whether a content type is gRPC's; gRPC-Web runs over any version.
func isGRPC(kind string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(kind), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
