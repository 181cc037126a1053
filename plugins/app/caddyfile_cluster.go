package app

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// unmarshal reads a cluster:
//
//	cluster NAME {
//		prefix test.
//		allow private_ranges|ADDRESS|CIDR…
//		consul [ADDRESS] { … }
//		docker [HOST] { … }
//		file PATH {
//			poll DURATION
//		}
//		domains DOMAIN…
//		meta_keys KEY…
//		answer members|edge ADDRESS…
//		defaults { KEY VALUE… }
//		domain NAME { KEY VALUE… }
//		vanish_hold DURATION
//		certificates internal|policy
//	}
func (c *Cluster) unmarshal(d *caddyfile.Dispenser) error {
	if !d.AllArgs(&c.Name) {
		return d.Err("cluster wants a name and a block")
	}
	if !validName(c.Name) {
		return d.Errf("cluster %q: a cluster's name is made of letters, digits, - and _", c.Name)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.unmarshalLine(d); err != nil {
			return err
		}
	}
	if c.sources() == 0 {
		return d.Errf("cluster %s: %w", c.Name, errNoSource)
	}
	return nil
}

func (c *Cluster) unmarshalLine(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "prefix":
		if err := word(d, &c.Prefix); err != nil {
			return err
		}
		if err := discard(prefix(c.Prefix)); err != nil {
			return d.WrapErr(err)
		}
		return nil
	case "allow":
		return list(d, &c.Allow, func(values []string) error { return discard(networks(values)) })
	case "consul":
		agent := new(Consul)
		c.Consul = append(c.Consul, agent)
		return agent.unmarshal(d)
	case "docker":
		engine := new(Docker)
		c.Docker = append(c.Docker, engine)
		return engine.unmarshal(d)
	case "file":
		file := new(File)
		c.Files = append(c.Files, file)
		return file.unmarshal(d)
	case "domains":
		return list(d, &c.Domains, func(values []string) error { return discard(domains(values)) })
	case "meta_keys":
		return list(d, &c.MetaKeys, func([]string) error { return nil })
	case "answer":
		return c.unmarshalAnswer(d)
	case "defaults":
		return settings(d, &c.Defaults)
	case "domain":
		return domainSettings(d, &c.DomainSettings)
	case "vanish_hold":
		return duration(d, &c.VanishHold)
	case "certificates":
		if err := word(d, &c.Certificates); err != nil {
			return err
		}
		if c.Certificates != certificatesInternal && c.Certificates != certificatesPolicy {
			return d.Errf("certificates %q: want %s or %s", c.Certificates, certificatesInternal, certificatesPolicy)
		}
		return nil
	}
	return d.Errf("unknown option %q of a cluster", d.Val())
}

func (c *Cluster) unmarshalAnswer(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch {
	case len(args) == 1 && args[0] == "members":
		c.AnswerEdge = nil
	case len(args) > 1 && args[0] == "edge":
		if _, err := edgeAddresses(args[1:]); err != nil {
			return d.WrapErr(err)
		}
		c.AnswerEdge = args[1:]
	default:
		return d.Err("answer wants members, or edge and the addresses of this proxy")
	}
	return nil
}

// unmarshal reads a Consul agent:
//
//	consul [ADDRESS] {
//		token {env.NAME}|{file./PATH}
//		token_file PATH
//		tls {
//			ca PATH
//			cert PATH
//			key PATH
//			server_name NAME
//			insecure_skip_verify
//		}
//		datacenter NAME
//		stale
//		max_watches NUMBER
//		canary DURATION
//		timeout DURATION
//	}
func (c *Consul) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		c.Address = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	if !strings.Contains(c.Address, "{") && c.Address != "" {
		if err := discard(endpoint(c.Address)); err != nil {
			return d.Errf("consul %q: %w", c.Address, err)
		}
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := c.unmarshalLine(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *Consul) unmarshalLine(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "token":
		if err := word(d, &c.Token); err != nil {
			return err
		}
		if err := checkToken(c.Token); err != nil {
			return d.WrapErr(err)
		}
		return nil
	case "token_file":
		return word(d, &c.TokenFile)
	case "tls":
		c.TLS = new(ConsulTLS)
		return c.TLS.unmarshal(d)
	case "datacenter":
		return word(d, &c.Datacenter)
	case "stale":
		return flag(d, &c.Stale)
	case "max_watches":
		return number(d, &c.MaxWatches)
	case "canary":
		return duration(d, &c.Canary)
	case "timeout":
		return duration(d, &c.Timeout)
	}
	return d.Errf("unknown option %q of consul", d.Val())
}

func (t *ConsulTLS) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, "tls", map[string]func() error{
		"ca":                   func() error { return word(d, &t.CAFile) },
		"cert":                 func() error { return word(d, &t.CertFile) },
		"key":                  func() error { return word(d, &t.KeyFile) },
		"server_name":          func() error { return word(d, &t.ServerName) },
		"insecure_skip_verify": func() error { return flag(d, &t.InsecureSkipVerify) },
	})
}

func (f *File) unmarshal(d *caddyfile.Dispenser) error {
	if err := word(d, &f.Path); err != nil {
		return err
	}
	return block(d, "file", map[string]func() error{
		"poll": func() error { return duration(d, &f.Poll) },
	})
}

// block reads the options of what is called of, each in its own way.
func block(d *caddyfile.Dispenser, of string, options map[string]func() error) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		read := options[d.Val()]
		if read == nil {
			return d.Errf("unknown option %q of %s", d.Val(), of)
		}
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// flag reads an option without a value.
func flag(d *caddyfile.Dispenser, to *bool) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	*to = true
	return nil
}
