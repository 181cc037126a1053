// Package permission is the module "tls.permission.fairlead": which names may get a certificate on demand.
package permission

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"

	"github.com/fairlead/fairlead/plugins/app"
)

func init() { caddy.RegisterModule(new(Permission)) }

// Permission allows certificates for the domains that are served, and for those that were not long ago. The names of a cluster with an
// access list get theirs for clients on the list only.
type Permission struct{ app func() (*app.App, error) }

// CaddyModule implements caddy.Module.
func (*Permission) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.permission.fairlead", New: func() caddy.Module { return new(Permission) }}
}

// Provision does not look for the app yet: that would load it and the servers while the TLS app, which they need, is half way through
// its own provisioning.
func (p *Permission) Provision(ctx caddy.Context) error {
	p.app = func() (*app.App, error) {
		found, err := ctx.AppIfConfigured(app.ID)
		if err != nil {
			return nil, err
		}
		return found.(*app.App), nil
	}
	return nil
}

// UnmarshalCaddyfile reads `permission fairlead`, which has no options.
func (*Permission) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if d.NextArg() || d.NextBlock(0) {
		return d.ArgErr()
	}
	return nil
}

// CertificateAllowed implements caddytls.OnDemandPermission.
func (p *Permission) CertificateAllowed(ctx context.Context, name string) error {
	a, err := p.app()
	if err != nil {
		return err
	}
	if err := a.Edge().CertificateAllowed(name, client(ctx)); err != nil {
		return fmt.Errorf("%w: %w", caddytls.ErrPermissionDenied, err)
	}
	return nil
}

// client returns the address of the handshake's other end; the zero Addr where there is no handshake, as in a renewal.
func client(ctx context.Context) netip.Addr {
	hello, ok := ctx.Value(certmagic.ClientHelloInfoCtxKey).(*tls.ClientHelloInfo)
	if !ok || hello == nil || hello.Conn == nil {
		return netip.Addr{}
	}
	address, err := netip.ParseAddrPort(hello.Conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap()
}

// Interface guards.
var (
	_ caddytls.OnDemandPermission = (*Permission)(nil)
	_ caddy.Provisioner           = (*Permission)(nil)
	_ caddyfile.Unmarshaler       = (*Permission)(nil)
)
