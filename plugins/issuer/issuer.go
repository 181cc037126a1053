// Package issuer keeps names that must not reach public logs away from public certificate authorities: in every automation policy that
// obtains certificates on demand, Caddy's internal issuer certifies them, and no other issuer is asked for them.
package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

// Guard puts the guard on the on-demand policies of a TLS app. secret reports which names are for the internal issuer only; it is asked
// when a certificate is obtained or renewed. The app is provisioned, but not started.
func Guard(ctx caddy.Context, tls *caddytls.TLS, secret func(name string) bool) error {
	if tls.Automation == nil {
		return nil
	}
	for i, policy := range tls.Automation.Policies {
		if !policy.OnDemand || internalOnly(policy.Issuers) {
			continue
		}
		if err := guard(ctx, tls, policy, secret); err != nil {
			return fmt.Errorf("automation policy %d: %w", i, err)
		}
	}
	return nil
}

func internalOnly(issuers []certmagic.Issuer) bool {
	for _, issuer := range issuers {
		if _, internal := issuer.(*caddytls.InternalIssuer); !internal {
			return false
		}
	}
	return len(issuers) > 0
}

func guard(ctx caddy.Context, tls *caddytls.TLS, policy *caddytls.AutomationPolicy, secret func(string) bool) error {
	issuers := policy.Issuers
	if len(issuers) == 0 {
		var err error
		if issuers, err = caddytls.DefaultIssuersProvisioned(ctx); err != nil {
			return err
		}
	}
	internal := new(caddytls.InternalIssuer)
	if err := internal.Provision(ctx); err != nil {
		return err
	}
	guarded := []certmagic.Issuer{&private{internal, secret}}
	for _, issuer := range issuers {
		switch issuer := issuer.(type) {
		case *caddytls.InternalIssuer:
			guarded = append(guarded, issuer)
		case *caddytls.ZeroSSLIssuer:
			return errors.New("the issuer zerossl cannot be kept from the names of a cluster whose certificates are internal: use acme, or set certificates policy for the cluster")
		case acmeIssuer:
			guarded = append(guarded, &publicACME{public{issuer, secret}, issuer})
		default:
			guarded = append(guarded, &public{issuer, secret})
		}
	}
	policy.Issuers = guarded
	return policy.RebuildCertMagic(tls)
}

// acmeIssuer is what Caddy looks for in issuers whose challenges it answers.
type acmeIssuer interface {
	certmagic.Issuer
	caddytls.ConfigSetter
	GetACMEIssuer() *caddytls.ACMEIssuer
}

// private issues for secret names only.
type private struct {
	certmagic.Issuer
	secret func(name string) bool
}

// PreCheck refuses names that are not secret.
func (p *private) PreCheck(_ context.Context, names []string, _ bool) error {
	for _, name := range names {
		if !p.secret(name) {
			return fmt.Errorf("%s is not for the internal issuer", name)
		}
	}
	return nil
}

// public never hears of secret names.
type public struct {
	certmagic.Issuer
	secret func(name string) bool
}

// PreCheck refuses secret names.
func (p *public) PreCheck(ctx context.Context, names []string, interactive bool) error {
	for _, name := range names {
		if p.secret(name) {
			return fmt.Errorf("%s is for the internal issuer only", name)
		}
	}
	if checker, ok := p.Issuer.(certmagic.PreChecker); ok {
		return checker.PreCheck(ctx, names, interactive)
	}
	return nil
}

// Issue refuses secret names once more: this is the last step before they are published.
func (p *public) Issue(ctx context.Context, request *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	for _, name := range append([]string{request.Subject.CommonName}, request.DNSNames...) {
		if p.secret(name) {
			return nil, fmt.Errorf("%s is for the internal issuer only", name)
		}
	}
	return p.Issuer.Issue(ctx, request)
}

// Revoke revokes where the issuer can.
func (p *public) Revoke(ctx context.Context, certificate certmagic.CertificateResource, reason int) error {
	if revoker, ok := p.Issuer.(certmagic.Revoker); ok {
		return revoker.Revoke(ctx, certificate, reason)
	}
	return fmt.Errorf("issuer %s cannot revoke", p.IssuerKey())
}

// publicACME is public for issuers whose challenges come in by Caddy's listeners.
type publicACME struct {
	public
	acme acmeIssuer
}

// SetConfig implements caddytls.ConfigSetter.
func (p *publicACME) SetConfig(config *certmagic.Config) { p.acme.SetConfig(config) }

// GetACMEIssuer tells Caddy which issuer's challenges to answer.
func (p *publicACME) GetACMEIssuer() *caddytls.ACMEIssuer { return p.acme.GetACMEIssuer() }

// Interface guards.
var (
	_ acmeIssuer           = (*publicACME)(nil)
	_ certmagic.PreChecker = (*private)(nil)
	_ certmagic.PreChecker = (*publicACME)(nil)
	_ certmagic.Revoker    = (*publicACME)(nil)
)
