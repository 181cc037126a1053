package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

// identity is what a door shows its clients, and by what it knows them.
type identity interface {
	// current returns both as they are now.
	current() (*tls.Certificate, *x509.CertPool, error)
}

// serverTLS lets clients in that have a certificate of the identity's authorities, and nobody else.
func serverTLS(of identity, log *slog.Logger) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			certificate, authorities, err := of.current()
			if err != nil {
				log.Error("the door to logs has no certificate", "error", err)
				return nil, err
			}
			return &tls.Config{
				MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*certificate}, NextProtos: []string{"h2", "http/1.1"},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities,
			}, nil
		},
	}
}

// fileIdentity is read from files, and again when they change. What cannot be read then leaves the last good one in force.
type fileIdentity struct {
	cert, key, ca string
	log           *slog.Logger

	mu          sync.Mutex
	looked      time.Time
	stamps      [3]os.FileInfo
	certificate *tls.Certificate
	authorities *x509.CertPool
}

func newFileIdentity(s *logsSpec) (*fileIdentity, error) {
	f := &fileIdentity{cert: s.CertFile, key: s.KeyFile, ca: s.ClientCAFile, log: slog.New(processLog)}
	return f, f.read()
}

func (f *fileIdentity) names() [3]string { return [3]string{f.cert, f.key, f.ca} }

// read reads the files; its caller holds mu, or nobody else has f yet.
func (f *fileIdentity) read() error {
	var stamps [3]os.FileInfo
	for i, name := range f.names() {
		var err error
		if stamps[i], err = os.Stat(name); err != nil {
			return err
		}
	}
	certificate, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("cert %s, key %s: %w", f.cert, f.key, err)
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return fmt.Errorf("client_ca %s holds no certificate in PEM", f.ca)
	}
	f.stamps, f.certificate, f.authorities = stamps, &certificate, authorities
	return nil
}

// lookAgain is how often the files are looked at, at most.
const lookAgain = time.Second

func (f *fileIdentity) current() (*tls.Certificate, *x509.CertPool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) >= lookAgain {
		f.looked = time.Now()
		if f.changed() {
			if err := f.read(); err != nil {
				f.log.Error("the certificates of the door to logs cannot be read again, the last ones stay", "error", err)
			}
		}
	}
	return f.certificate, f.authorities, nil
}

func (f *fileIdentity) changed() bool {
	for i, name := range f.names() {
		now, err := os.Stat(name)
		if err != nil || now.Size() != f.stamps[i].Size() || !now.ModTime().Equal(f.stamps[i].ModTime()) || !os.SameFile(now, f.stamps[i]) {
			return true
		}
	}
	return false
}

// authority is one of Caddy's own, as a configuration has it.
type authority struct {
	ca     *caddypki.CA
	issuer *caddytls.InternalIssuer
}

// authorities returns those that certify doors.
func (s *spec) authorities(ctx caddy.Context) (map[string]*authority, error) {
	all := map[string]*authority{}
	for i := range s.registers {
		door := s.registers[i].logs
		if door == nil || door.Internal == "" || all[door.Internal] != nil {
			continue
		}
		pki, err := ctx.App("pki")
		if err != nil {
			return nil, err
		}
		ca, err := pki.(*caddypki.PKI).GetCA(ctx, door.Internal)
		if err != nil {
			return nil, fmt.Errorf("register: logs: internal %s: %w", door.Internal, err)
		}
		issuer := &caddytls.InternalIssuer{CA: door.Internal}
		if err := issuer.Provision(ctx); err != nil {
			return nil, fmt.Errorf("register: logs: internal %s: %w", door.Internal, err)
		}
		all[door.Internal] = &authority{ca, issuer}
	}
	return all, nil
}

// internalIdentity is certified by an authority of Caddy's own: that of the newest configuration, which alone renews its own
// certificates.
type internalIdentity struct {
	id    string
	names []string
	ips   []net.IP
	first *authority // until a configuration has started

	mu          sync.Mutex
	certificate *tls.Certificate
	renew       time.Time
}

func (i *internalIdentity) authority() (*authority, error) {
	if app := Current(); app != nil && app.authorities[i.id] != nil {
		return app.authorities[i.id], nil
	}
	if i.first == nil {
		return nil, errors.New("no authority " + i.id + " is configured")
	}
	return i.first, nil
}

func (i *internalIdentity) current() (*tls.Certificate, *x509.CertPool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	a, err := i.authority()
	if err != nil {
		return nil, nil, err
	}
	if i.certificate == nil || time.Now().After(i.renew) {
		if err := i.issue(a); err != nil {
			return nil, nil, fmt.Errorf("certifying the door to logs: %w", err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.ca.RootCertificate())
	return i.certificate, pool, nil
}

// issue gets a new certificate, to be renewed after two thirds of its life; its caller holds mu.
func (i *internalIdentity) issue(a *authority) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: i.names, IPAddresses: i.ips}, key)
	if err != nil {
		return err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	issued, err := a.issuer.Issue(ctx, request)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair(issued.Certificate, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}))
	if err != nil {
		return err
	}
	i.certificate = &certificate
	i.renew = time.Now().Add(time.Until(certificate.Leaf.NotAfter) * 2 / 3)
	return nil
}
