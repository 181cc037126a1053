package app

import (
	"cmp"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// unmarshal reads the healing:
//
//	heal {
//		desired FILE
//		poll DURATION
//		runtime swarm|docker [HOST] {
//			node NAME
//			publish ADDRESS
//			restarts NUMBER
//		}
//		notify webhook|email|command … { … }
//		repeat DURATION
//		timers { NAME DURATION… }
//		limits { NAME NUMBER… }
//		dry_run
//	}
func (h *Heal) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := h.unmarshalLine(d); err != nil {
			return err
		}
	}
	if _, _, err := h.policy(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (h *Heal) unmarshalLine(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "desired":
		return word(d, &h.Desired)
	case "poll":
		return duration(d, &h.Poll)
	case "runtime":
		r := new(Runtime)
		h.Runtimes = append(h.Runtimes, r)
		return r.unmarshal(d)
	case "notify":
		n := new(Notify)
		h.Notify = append(h.Notify, n)
		return n.unmarshal(d)
	case "repeat":
		return duration(d, &h.Repeat)
	case "dry_run":
		return flag(d, &h.DryRun)
	case "timers":
		h.Timers = map[string]caddy.Duration{}
		for nesting := d.Nesting(); d.NextBlock(nesting); {
			name := d.Val()
			var value caddy.Duration
			if err := duration(d, &value); err != nil {
				return err
			}
			h.Timers[name] = value
		}
		return nil
	case "limits":
		h.Limits = map[string]int{}
		for nesting := d.Nesting(); d.NextBlock(nesting); {
			name, value := d.Val(), 0
			if err := number(d, &value); err != nil {
				return err
			}
			h.Limits[name] = value
		}
		return nil
	}
	return d.Errf("unknown option %q of heal", d.Val())
}

func (r *Runtime) unmarshal(d *caddyfile.Dispenser) error {
	if !d.Args(&r.Kind) {
		return d.Err("runtime wants swarm or docker")
	}
	if d.NextArg() {
		r.Host = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	err := block(d, "runtime", map[string]func() error{
		"node":     func() error { return word(d, &r.Node) },
		"publish":  func() error { return word(d, &r.Publish) },
		"restarts": func() error { return number(d, &r.Restarts) },
	})
	if err != nil {
		return err
	}
	if err := new(healSpec).addRuntime(&Runtime{Kind: r.Kind, Host: cmp.Or(r.Host, "unix:///var/run/docker.sock"), Publish: r.Publish}); err != nil {
		return d.WrapErr(err)
	}
	return nil
}
