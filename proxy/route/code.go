package route

import "net/http"

// Code is the outcome of a decision; the reason operators see.
type Code uint8

// The outcomes. All but OK are refusals.
const (
	OK             Code = iota
	BadHost             // not a host name
	NoDomain            // no service claims it
	Denied              // the cluster is not for this client
	BadChain            // an address in Forwarded or X-Forwarded-For cannot be read, and the cluster has an access list
	ClusterUnready      // the cluster has had no facts yet
	NoMember            // the domain is known, but no member is active
	TooEarly            // the cluster has an access list, and the client's address is not proven yet
)

var codes = [...]struct {
	word   string
	status int
}{
	OK:             {"ok", http.StatusOK},
	BadHost:        {"bad_host", http.StatusBadRequest},
	NoDomain:       {"no_domain", http.StatusNotFound},
	Denied:         {"denied", http.StatusForbidden},
	BadChain:       {"bad_chain", http.StatusForbidden},
	ClusterUnready: {"cluster_unready", http.StatusServiceUnavailable},
	NoMember:       {"no_member", http.StatusServiceUnavailable},
	TooEarly:       {"too_early", http.StatusTooEarly},
}

// String returns the code's word, which is stable: it stands in logs, metrics and the admin API.
func (c Code) String() string {
	if int(c) < len(codes) {
		return codes[c].word
	}
	return "unknown"
}

// Status returns the HTTP status of the outcome.
func (c Code) Status() int {
	if int(c) < len(codes) {
		return codes[c].status
	}
	return http.StatusInternalServerError
}

// MarshalText writes the code's word.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
