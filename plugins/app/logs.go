package app

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddypki"

	"github.com/fairlead/fairlead/admin/agent"
)

// Logs is the agent's door to the logs and statistics of its containers: HTTPS with certificates on both sides, for reading only.
type Logs struct {
	// The address (host:port) to listen on.
	Listen string `json:"listen,omitempty"`

	// Files in PEM: our certificate with its chain, its key, and the authorities whose certificates clients must have. They are read
	// again when they change.
	CertFile     string `json:"cert_file,omitempty"`
	KeyFile      string `json:"key_file,omitempty"`
	ClientCAFile string `json:"client_ca_file,omitempty"`

	// The ID of an authority of Caddy's own (`pki`) that certifies both sides, instead of files: `local` unless configured otherwise.
	Internal string `json:"internal,omitempty"`

	// Who may read. Default: whoever has a certificate of those authorities; with an internal one somebody must be named.
	Clients []*LogsClient `json:"clients,omitempty"`

	// How many may read a stream at a time. Default: 100.
	MaxViewers int `json:"max_viewers,omitempty"`
}

// LogsClient may read.
type LogsClient struct {
	// A DNS name or the common name of its certificate.
	Name string `json:"name,omitempty"`

	// The services whose containers it may read. Default: every container of the host.
	Services []string `json:"services,omitempty"`
}

// logsSpec says what a door is made of.
type logsSpec struct {
	Listen                          string
	CertFile, KeyFile, ClientCAFile string
	Internal                        string
	Clients                         []agent.Client
	Viewers                         int
	Address                         netip.Addr // at which others reach it
	Port                            uint16
}

// spec resolves the door; nil for none.
func (l *Logs) spec(r *registerSpec) (*logsSpec, error) {
	if l == nil {
		return nil, nil
	}
	s := &logsSpec{Internal: l.Internal, Viewers: l.MaxViewers}
	replacer := caddy.NewReplacer()
	for _, field := range []struct {
		name, from string
		to         *string
	}{
		{"listen", l.Listen, &s.Listen}, {"cert", l.CertFile, &s.CertFile}, {"key", l.KeyFile, &s.KeyFile}, {"client_ca", l.ClientCAFile, &s.ClientCAFile},
	} {
		var err error
		if *field.to, err = replacer.ReplaceOrErr(field.from, true, true); err != nil {
			return nil, fmt.Errorf("%s: %w", field.name, err)
		}
	}
	address, err := caddy.ParseNetworkAddress(s.Listen)
	if err != nil || address.Network != "tcp" || address.PortRangeSize() != 1 || address.StartPort == 0 {
		return nil, fmt.Errorf("%q is no address to listen on: want host:port", s.Listen)
	}
	s.Port = uint16(address.StartPort)
	for _, c := range l.Clients {
		if c.Name == "" || strings.ContainsAny(c.Name, "*") {
			return nil, fmt.Errorf("client %q: want a name as it stands in a certificate", c.Name)
		}
		s.Clients = append(s.Clients, agent.Client{Name: c.Name, Services: c.Services})
	}
	files := s.CertFile != "" && s.KeyFile != "" && s.ClientCAFile != ""
	switch {
	case s.Internal != "" && s.CertFile+s.KeyFile+s.ClientCAFile != "":
		return nil, errors.New("give either files or internal, not both")
	case s.Internal == "" && !files:
		return nil, errors.New("cert, key and client_ca are needed, or internal: nobody may read without a certificate")
	case s.Internal != "" && len(s.Clients) == 0:
		return nil, errors.New("with internal, name each client: the same authority may certify others too")
	case s.Viewers < 0:
		return nil, fmt.Errorf("max_viewers %d: want a positive number", s.Viewers)
	}
	switch host, err := netip.ParseAddr(address.Host); {
	case len(r.source.Advertise) > 0:
		s.Address = r.source.Advertise[0]
	case err == nil && !host.IsUnspecified():
		s.Address = host
	default:
		return nil, errors.New("no address to register it at: add advertise")
	}
	if files {
		if _, err := newFileIdentity(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// unmarshal reads a door:
//
//	logs ADDRESS {
//		cert PATH
//		key PATH
//		client_ca PATH
//		internal [CA]
//		client NAME [SERVICE…]
//		max_viewers NUMBER
//	}
func (l *Logs) unmarshal(d *caddyfile.Dispenser) error {
	if !d.Args(&l.Listen) || d.NextArg() {
		return d.Err("logs wants the address to listen on")
	}
	return block(d, "logs", map[string]func() error{
		"cert":        func() error { return word(d, &l.CertFile) },
		"key":         func() error { return word(d, &l.KeyFile) },
		"client_ca":   func() error { return word(d, &l.ClientCAFile) },
		"max_viewers": func() error { return number(d, &l.MaxViewers) },
		"internal": func() error {
			l.Internal = caddypki.DefaultCAID
			if d.NextArg() {
				l.Internal = d.Val()
			}
			if d.NextArg() {
				return d.ArgErr()
			}
			return nil
		},
		"client": func() error {
			words := d.RemainingArgs()
			if len(words) == 0 {
				return d.ArgErr()
			}
			l.Clients = append(l.Clients, &LogsClient{Name: words[0], Services: words[1:]})
			return nil
		},
	})
}
