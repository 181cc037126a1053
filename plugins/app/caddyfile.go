package app

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/fairlead/fairlead/proxy/pool"
)

func init() { httpcaddyfile.RegisterGlobalOption(ID, parseOption) }

// parseOption turns the global option into the app's JSON.
func parseOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		return nil, d.Err("the option fairlead is given twice: write one block")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: ID, Value: caddyconfig.JSON(a.Config, nil)}, nil
}

// UnmarshalCaddyfile reads the global option:
//
//	fairlead {
//		cluster NAME { … }
//		register docker [HOST] { … }
//		heal { … }
//		dns ADDRESS… {
//			zone DOMAIN
//			ttl DURATION
//		}
//		lane [loop|portable|off] {
//			max_connections NUMBER
//			max_connections_per_client NUMBER
//			body_rate BYTES
//			body_grace DURATION
//		}
//		trusted_proxies private_ranges|ADDRESS|CIDR…
//		state_dir PATH
//		defaults { KEY VALUE… }
//		domain NAME { KEY VALUE… }
//		refuse ADDRESS…
//		drain_delay DURATION
//		drain_timeout DURATION
//		start_wait DURATION
//		settle_wait DURATION
//	}
//
// The keys of defaults and domain are those of a pool's settings.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if err := a.unmarshalLine(d); err != nil {
			return err
		}
	}
	if len(a.Clusters) == 0 {
		return d.Err("no cluster is configured: add a block such as cluster live { consul 127.0.0.1:8500 }")
	}
	return nil
}

func (a *App) unmarshalLine(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "cluster":
		c := new(Cluster)
		if err := c.unmarshal(d); err != nil {
			return err
		}
		a.Clusters = append(a.Clusters, c)
		if err := distinct(a.Clusters); err != nil {
			return d.WrapErr(err)
		}
		return nil
	case "register":
		r := new(Register)
		a.Register = append(a.Register, r)
		return r.unmarshal(d)
	case "heal":
		if a.Heal != nil {
			return d.Err("heal is given twice: write one block")
		}
		a.Heal = new(Heal)
		return a.Heal.unmarshal(d)
	case "dns":
		return a.unmarshalDNS(d)
	case "lane":
		return a.unmarshalLane(d)
	case "trusted_proxies":
		return list(d, &a.TrustedProxies, func(values []string) error { return discard(networks(values)) })
	case "refuse":
		return list(d, &a.Refuse, func(values []string) error { return discard(endpoint(values[len(values)-1])) })
	case "state_dir":
		return word(d, &a.StateDir)
	case "defaults":
		return settings(d, &a.Defaults)
	case "domain":
		return domainSettings(d, &a.DomainSettings)
	case "drain_delay":
		return duration(d, &a.DrainDelay)
	case "drain_timeout":
		return duration(d, &a.DrainTimeout)
	case "start_wait":
		return duration(d, &a.StartWait)
	case "settle_wait":
		return duration(d, &a.SettleWait)
	}
	return d.Errf("unknown option %q", d.Val())
}

func (a *App) unmarshalDNS(d *caddyfile.Dispenser) error {
	if a.DNS == nil {
		a.DNS = new(DNS)
	}
	a.DNS.Listen = append(a.DNS.Listen, d.RemainingArgs()...)
	if len(a.DNS.Listen) == 0 {
		return d.Err("dns wants an address such as 127.0.0.1:8600")
	}
	err := block(d, "dns", map[string]func() error{
		"zone": func() error { return word(d, &a.DNS.Zone) },
		"ttl":  func() error { return duration(d, &a.DNS.TTL) },
	})
	if err != nil {
		return err
	}
	if err := a.addDNS(new(spec)); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// word reads a single value, which is given once.
func word(d *caddyfile.Dispenser, to *string) error {
	name := d.Val()
	if *to != "" {
		return d.Errf("%s is given twice", name)
	}
	if !d.AllArgs(to) || *to == "" {
		return d.Errf("%s wants one value", name)
	}
	return nil
}

// list adds values to a list; check says what is wrong with it.
func list(d *caddyfile.Dispenser, to *[]string, check func([]string) error) error {
	name := d.Val()
	values := d.RemainingArgs()
	if len(values) == 0 {
		return d.Errf("%s wants at least one value", name)
	}
	*to = append(*to, values...)
	if err := check(*to); err != nil {
		return d.Errf("%s: %w", name, err)
	}
	return nil
}

func discard[T any](_ T, err error) error { return err }

func duration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	name, text := d.Val(), ""
	if err := word(d, &text); err != nil {
		return err
	}
	value, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("%s %q: want a duration such as 500ms or 10s", name, text)
	}
	*to = caddy.Duration(value)
	if value == 0 {
		*to = -1 // none; zero would be the default
	}
	return nil
}

func number(d *caddyfile.Dispenser, to *int) error {
	name, text := d.Val(), ""
	if err := word(d, &text); err != nil {
		return err
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		return d.Errf("%s %q: want a whole number", name, text)
	}
	*to = value
	return nil
}

// settings reads a block of a pool's settings and checks each where it stands.
func settings(d *caddyfile.Dispenser, to *pool.Settings) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	if *to == nil {
		*to = pool.Settings{}
	}
	trial := pool.DefaultSpec()
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		key := d.Val()
		value := strings.Join(d.RemainingArgs(), " ")
		if _, given := (*to)[key]; given {
			return d.Errf("%s is given twice", key)
		}
		if err := trial.Set(key, value); err != nil {
			return d.WrapErr(err)
		}
		(*to)[key] = value
	}
	return nil
}

func domainSettings(d *caddyfile.Dispenser, to *map[string]pool.Settings) error {
	var name string
	if !d.Args(&name) {
		return d.Err("domain wants a name and a block of settings")
	}
	normal, err := domains([]string{name})
	if err != nil {
		return d.Errf("domain: %w", err)
	}
	if _, given := (*to)[normal[0]]; given {
		return d.Errf("domain %s is given twice", name)
	}
	var block pool.Settings
	if err := settings(d, &block); err != nil {
		return err
	}
	if len(block) == 0 {
		return d.Errf("domain %s has no settings; what limits a cluster to some domains is called domains", name)
	}
	if *to == nil {
		*to = map[string]pool.Settings{}
	}
	(*to)[normal[0]] = block
	return nil
}
