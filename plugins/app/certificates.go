package app

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/fairlead/fairlead/plugins/issuer"
	"github.com/fairlead/fairlead/proxy/route"
)

// guardCertificates keeps the names of clusters whose certificates are internal from public authorities.
func (a *App) guardCertificates(ctx caddy.Context) error {
	if a.servers.http == nil || len(a.spec.internal) == 0 {
		return nil
	}
	tls, err := ctx.App("tls")
	if err != nil {
		return err
	}
	if err := issuer.Guard(ctx, tls.(*caddytls.TLS), a.internal); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	return nil
}

// internal reports whether the internal issuer certifies a name.
func (a *App) internal(name string) bool {
	cluster := route.Decide(a.edge.Table().Load(), route.Ask{Host: name}).Cluster
	return cluster != nil && a.spec.internal[cluster.Name]
}
