package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// CertificateAllowed reports by nil that a name may get a certificate on demand, or says why not. It is asked before one is obtained,
// loaded or renewed, so a domain that was served within Certificates.Keep keeps its certificate while its services are away.
//
// Names of a cluster with an access list are for clients on it only: the name alone would tell the world that it exists. An unknown
// client (the zero Addr) is on no list. New names below a wildcard are limited, since anybody can think of any number of them.
func (e *Edge) CertificateAllowed(name string, client netip.Addr) error {
	s := e.table.Load()
	d := route.Decide(s, route.Ask{Host: name, Peer: client})
	switch d.Code {
	case route.BadHost, route.Denied, route.BadChain:
		return fmt.Errorf("no certificate for %s: %s", name, d.Reason())
	}
	if d.Cluster == nil {
		return fmt.Errorf("no certificate for %s: no cluster takes that name", name)
	}
	now := time.Now()
	if d.Pool != nil {
		parent, wildcard := strings.CutPrefix(d.Pool.Name, "*.")
		if !wildcard {
			return nil
		}
		return e.grant(d.Domain, wildcardName(d.Cluster, parent), now)
	}
	if e.remembered(d.Cluster, d.Domain, now) {
		return nil
	}
	_, parent, _ := strings.Cut(strings.TrimPrefix(d.Domain, d.Cluster.Prefix), ".")
	if wildcard := wildcardName(d.Cluster, parent); e.remembered(d.Cluster, wildcard, now) {
		return e.grant(d.Domain, wildcard, now)
	}
	return fmt.Errorf("no certificate for %s: %s, nor was it served within the last %s", name, d.Reason(), e.config.Certificates.Keep)
}

// HandshakeAllowed reports by nil that a client may be shown a certificate for a name, or says why not. CertificateAllowed is not asked
// for one that is in memory, which a client on the access list has brought there: it is not for others to see.
//
// Names that the cluster does not serve, nor has served of late, are none of ours: they may be a site's of the configuration.
func (e *Edge) HandshakeAllowed(name string, client netip.Addr) error {
	d := route.Decide(e.table.Load(), route.Ask{Host: name, Peer: client})
	if d.Code != route.Denied || !route.Serves(d.Cluster, d.Domain) && !e.served(d.Cluster, d.Domain) {
		return nil
	}
	return fmt.Errorf("no handshake for %s: %s", name, d.Reason())
}

// served reports whether a cluster has served a name not too long ago, or a wildcard above it.
func (e *Edge) served(c *pool.Cluster, domain string) bool {
	now := time.Now()
	_, parent, _ := strings.Cut(strings.TrimPrefix(domain, c.Prefix), ".")
	return e.remembered(c, domain, now) || e.remembered(c, wildcardName(c, parent), now)
}

// remembered reports whether the cluster served a domain not too long ago. What another cluster served does not count: the access
// list may be another one.
func (e *Edge) remembered(c *pool.Cluster, domain string, now time.Time) bool {
	at, ok := e.memory.sightings.last(domain)
	return ok && at.Cluster == c.Name && now.Sub(at.Seen) <= e.config.Certificates.Keep
}

// grant decides on a name below a wildcard.
func (e *Edge) grant(name, wildcard string, now time.Time) error {
	rule := e.config.Certificates
	ok, fresh := e.memory.sightings.grant(name, wildcard, now, rule.WildcardNames, rule.WildcardWindow)
	if !ok {
		return fmt.Errorf("no certificate for %s: %d new names below %s have got one within the last %s; a certificate for the wildcard has no such limit",
			name, rule.WildcardNames, wildcard, rule.WildcardWindow)
	}
	if fresh {
		e.memory.touch()
		e.log.Info("certificate name granted", "name", name, "wildcard", wildcard)
	}
	return nil
}
