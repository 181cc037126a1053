package plugins_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/smallstep/certificates/acme"

	"github.com/fairlead/fairlead/tools/lab"
)

// certified serves both clusters over HTTPS, with certificates from an ACME server that is Caddy's own and has another authority than
// Caddy's internal issuer. It validates names by asking our nameserver.
const certified = `{
	pki {
		ca public {
			name "Public Authority"
			intermediate_cn "Public Intermediate"
		}
	}
	fairlead {
		cluster live {
			file {LIVE}
			answer edge 127.0.0.1
		}
		cluster test {
			prefix test.
			allow 127.0.0.2
			file {TEST}
		}
		dns {DNS}
		{STATE}
	}
	on_demand_tls {
		permission fairlead
	}
}
http:// {
	fairlead
}
https://localhost {
	tls {
		issuer internal
	}
	acme_server {
		ca public
	}
}
https:// {
	tls {
		issuer acme {
			dir https://localhost:{HTTPSPORT}/acme/public/directory
			trusted_roots {DIR}/caddy/pki/authorities/local/root.crt
		}
		on_demand
	}
	fairlead
}
`

// resolveByUs makes this process look names up at a nameserver, as the ACME server does to validate a name.
func resolveByUs(t *testing.T, nameserver string) {
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, nameserver)
	}}
	t.Cleanup(func() { net.DefaultResolver = old })
}

func TestCertificatesOnDemand(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	s.catalogue(s.test, map[string][]*lab.Backend{"shop.example.com": {shop}})
	resolveByUs(t, s.dns)
	acme.InsecurePortHTTP01, _ = strconv.Atoi(port(s.http))
	acme.InsecurePortTLSALPN01, _ = strconv.Atoi(port(s.https))
	t.Cleanup(func() { acme.InsecurePortHTTP01, acme.InsecurePortTLSALPN01 = 0, 0 })

	// The root certificate that the ACME client trusts is made when its authority is first loaded.
	authority, _, _ := strings.Cut(certified, "https:// {")
	s.mustLoad(authority)
	s.mustLoad(certified)

	for _, c := range []struct{ name, from, issuer string }{
		{name: "shop.example.com", from: "127.0.0.1", issuer: "Public Intermediate"},
		{name: "test.shop.example.com", from: "127.0.0.2", issuer: "Caddy Local Authority - ECC Intermediate"},
		{name: "none.example.com", from: "127.0.0.1"},
		{name: "test.none.example.com", from: "127.0.0.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			state, err := s.handshake(c.name, c.from)
			if c.issuer == "" {
				if err == nil {
					t.Errorf("there is a certificate of %s", state.PeerCertificates[0].Issuer.CommonName)
				}
				return
			}
			if err != nil {
				log, _ := os.ReadFile(filepath.Join(s.dir, "caddy.log"))
				t.Fatalf("%v\n%s", err, log)
			}
			if got := state.PeerCertificates[0].Issuer.CommonName; !strings.HasPrefix(got, c.issuer) {
				t.Errorf("the certificate is from %q, want %q", got, c.issuer)
			}
		})
	}
	issued, err := os.ReadDir(filepath.Join(s.dir, "caddy", "certificates"))
	if err != nil {
		t.Fatal(err)
	}
	for _, directory := range issued {
		if _, err := os.Stat(filepath.Join(s.dir, "caddy", "certificates", directory.Name(), "test.shop.example.com")); err == nil && directory.Name() != "local" {
			t.Errorf("a test name has a certificate of %s", directory.Name())
		}
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "test.shop.example.com") && strings.Contains(line, `"ca":"https`) {
			t.Errorf("the public authority has heard of a test name: %s", line)
		}
	}
}

// TestTestNamesNeedAClientOnTheList asks for a certificate before anybody on the list has.
func TestTestNamesNeedAClientOnTheList(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.test, map[string][]*lab.Backend{"shop.example.com": {shop}})
	s.mustLoad(strings.Replace(both, "{STATE}", "{STATE}\n\t\tcluster test {\n\t\t\tprefix test.\n\t\t\tallow 127.0.0.2\n\t\t\tfile {TEST}\n\t\t}", 1))
	if _, err := s.handshake("test.shop.example.com", "127.0.0.3"); err == nil {
		t.Error("an outsider got a certificate made")
	}
	if _, err := s.handshake("test.shop.example.com", "127.0.0.2"); err != nil {
		t.Errorf("an insider: %v", err)
	}
}
