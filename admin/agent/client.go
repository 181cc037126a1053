package agent

import (
	"crypto/x509"
	"net/http"
	"slices"
)

// Client is who may read, by the name in its certificate.
type Client struct {
	// Name is one of the certificate's DNS names, or its common name.
	Name string
	// Services are those whose containers the client may read; empty for every container of the host.
	Services []string
}

// permission is what one request's client may read.
type permission struct {
	name     string
	allowed  bool
	services []string // nil for everything
}

// permit finds what a request's client may read. Without clients, every certificate that the listener lets in may read everything.
func (d *Door) permit(r *http.Request) permission {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return permission{name: "nobody"}
	}
	names := namesOf(r.TLS.PeerCertificates[0])
	p := permission{name: names[0], allowed: len(d.Clients) == 0}
	for _, c := range d.Clients {
		if !slices.Contains(names, c.Name) {
			continue
		}
		if len(c.Services) == 0 {
			return permission{name: c.Name, allowed: true}
		}
		p.name, p.allowed, p.services = c.Name, true, append(p.services, c.Services...)
	}
	return p
}

// namesOf returns the names in a certificate; there is at least one.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	if c.Subject.CommonName != "" || len(names) == 0 {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

// mayRead reports whether a container's services let the client read it.
func (p permission) mayRead(services []string) bool {
	return p.allowed && (p.services == nil || slices.ContainsFunc(services, func(s string) bool { return slices.Contains(p.services, s) }))
}
