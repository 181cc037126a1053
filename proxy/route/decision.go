package route

import (
	"fmt"
	"net/netip"

	"github.com/fairlead/fairlead/proxy/pool"
)

// Decision is what Decide found out. It is valid for the snapshot it was made from.
type Decision struct {
	Code Code
	// Domain is the normalised name: lower case, no port, no trailing dot, A-labels, with the cluster's prefix.
	Domain string
	// Cluster is nil only for BadHost, or where no cluster takes the name; Pool is nil unless the domain is known.
	Cluster *pool.Cluster
	Pool    *pool.Pool
	// Client is the address the client is taken to have: the last one in the chain that is not a trusted proxy.
	Client netip.Addr

	// blame is the address that is not allowed, word the text that could not be read; both for Reason.
	blame netip.Addr
	word  string
}

// Reason says in a sentence why the decision is what it is, for operators. It allocates; Decide does not.
func (d *Decision) Reason() string {
	switch d.Code {
	case OK:
		return fmt.Sprintf("%s is served by service %s of cluster %s", d.Domain, d.Pool.Service, d.Cluster.Name)
	case BadHost:
		return fmt.Sprintf("%q is not a host name", d.word)
	case NoDomain:
		return d.whyNoDomain()
	case Denied:
		if !d.blame.IsValid() {
			return fmt.Sprintf("cluster %s has an access list, and the address of the client is not known", d.Cluster.Name)
		}
		return fmt.Sprintf("cluster %s is not for %s: the address is not on its access list", d.Cluster.Name, d.blame)
	case BadChain:
		return fmt.Sprintf("cluster %s has an access list, and %q in Forwarded or X-Forwarded-For is not an address", d.Cluster.Name, d.word)
	case ClusterUnready:
		return fmt.Sprintf("cluster %s has had no facts yet: none of its sources has answered completely, and nothing was restored", d.Cluster.Name)
	case NoMember:
		return d.whyNoMember()
	case TooEarly:
		return fmt.Sprintf("cluster %s has an access list, and the client's address is not proven before its TLS handshake is complete", d.Cluster.Name)
	}
	return "unknown outcome"
}

func (d *Decision) whyNoDomain() string {
	switch {
	case d.Domain == "":
		return "the request names no host"
	case d.Cluster == nil:
		return fmt.Sprintf("no cluster takes %s: none has an empty prefix or one that it begins with", d.Domain)
	}
	return fmt.Sprintf("no service of cluster %s claims %s", d.Cluster.Name, d.Domain)
}

func (d *Decision) whyNoMember() string {
	reason := fmt.Sprintf("%s is known as service %s of cluster %s, but none of its %d members is active",
		d.Domain, d.Pool.Service, d.Cluster.Name, len(d.Pool.Members))
	for _, m := range d.Pool.Members {
		if m.Reason != "" {
			return fmt.Sprintf("%s: %s is %s (%s)", reason, m.Addr, m.State, m.Reason)
		}
	}
	return reason
}
