package app

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/fairlead/fairlead/discovery/docker"
)

// Docker is one engine whose running containers are instances.
type Docker struct {
	// unix:///path or tcp://host:port. Default: unix:///var/run/docker.sock.
	Host string `json:"host,omitempty"`

	// The name of the engine's host. Default: what the engine says.
	Node string `json:"node,omitempty"`

	// The host's addresses, one of each family at most, at which ports published on all its addresses are reached.
	Advertise []string `json:"advertise,omitempty"`

	// Takes the containers' own addresses and exposed ports instead of published ones, in the network named or their only one.
	Internal bool   `json:"internal,omitempty"`
	Network  string `json:"network,omitempty"`

	// Leaves out containers that do not say SERVICE_NAME.
	Explicit bool `json:"explicit,omitempty"`

	// Lets addresses through that only this host reaches (loopback), or only the machines beside it (link-local), or only containers on
	// it (bridge).
	Allow []string `json:"allow,omitempty"`

	TLS *DockerTLS `json:"tls,omitempty"`
}

// DockerTLS says how an engine on TCP is verified and what we show it. Files are in PEM.
type DockerTLS struct {
	CAFile   string `json:"ca_file,omitempty"`
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
}

// config resolves the placeholders and checks the values.
func (k *Docker) config(cluster string) (docker.Config, error) {
	c := docker.Config{Cluster: cluster, Internal: k.Internal, Network: k.Network, Explicit: k.Explicit}
	r := caddy.NewReplacer()
	var err error
	if c.Host, err = r.ReplaceOrErr(cmp.Or(k.Host, docker.DefaultHost), true, true); err != nil {
		return c, fmt.Errorf("docker: %w", err)
	}
	if c.Node, err = r.ReplaceOrErr(k.Node, true, true); err != nil {
		return c, fmt.Errorf("docker: node: %w", err)
	}
	for _, text := range k.Advertise {
		if text, err = r.ReplaceOrErr(text, true, true); err != nil {
			return c, fmt.Errorf("docker: advertise: %w", err)
		}
		address, err := netip.ParseAddr(text)
		if err != nil {
			return c, fmt.Errorf("docker: advertise %q: want an IP address of this host", text)
		}
		c.Advertise = append(c.Advertise, address)
	}
	for _, word := range k.Allow {
		switch word {
		case "loopback":
			c.AllowLoopback = true
		case "link_local":
			c.AllowLinkLocal = true
		case "bridge":
			c.AllowBridge = true
		default:
			return c, fmt.Errorf("docker: allow %q: want loopback, link_local or bridge", word)
		}
	}
	if k.TLS != nil {
		c.TLS = docker.TLS(*k.TLS)
	}
	// What the source itself refuses is refused here, before anything runs.
	_, err = docker.New(c)
	return c, err
}

// unmarshal reads a Docker engine:
//
//	docker [HOST] {
//		node NAME
//		advertise ADDRESS…
//		internal [NETWORK]
//		explicit
//		allow loopback|link_local|bridge…
//		tls {
//			ca PATH
//			cert PATH
//			key PATH
//		}
//	}
func (k *Docker) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		k.Host = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := k.unmarshalLine(d); err != nil {
			return err
		}
	}
	return nil
}

func (k *Docker) unmarshalLine(d *caddyfile.Dispenser) error {
	anything := func([]string) error { return nil }
	switch d.Val() {
	case "node":
		return word(d, &k.Node)
	case "advertise":
		return list(d, &k.Advertise, anything)
	case "internal":
		k.Internal = true
		if d.NextArg() {
			k.Network = d.Val()
		}
		if d.NextArg() {
			return d.ArgErr()
		}
		return nil
	case "explicit":
		return flag(d, &k.Explicit)
	case "allow":
		return list(d, &k.Allow, anything)
	case "tls":
		k.TLS = new(DockerTLS)
		return k.TLS.unmarshal(d)
	}
	return d.Errf("unknown option %q of docker", d.Val())
}

func (t *DockerTLS) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, "tls", map[string]func() error{
		"ca":   func() error { return word(d, &t.CAFile) },
		"cert": func() error { return word(d, &t.CertFile) },
		"key":  func() error { return word(d, &t.KeyFile) },
	})
}

var errNoSource = errors.New("no source is configured: add consul ADDRESS, docker or file PATH")
