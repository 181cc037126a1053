package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// identity is the certificate of every peer, as the files that peers read.
type identity struct {
	Certificate, Key, Bundle string         // Bundle is both in one
	Roots                    *x509.CertPool // which trusts it
}

// newIdentity makes a certificate by ECDSA P-256 for host, and for 127.0.0.1, since wrk sends an address as the server's name.
func newIdentity(dir string) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 30),
		DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return identity{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return identity{}, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	id := identity{Certificate: filepath.Join(dir, "certificate.pem"), Key: filepath.Join(dir, "key.pem"), Bundle: filepath.Join(dir, "bundle.pem"), Roots: x509.NewCertPool()}
	id.Roots.AppendCertsFromPEM(certificate)
	for path, text := range map[string][]byte{id.Certificate: certificate, id.Key: private, id.Bundle: append(certificate, private...)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return identity{}, err
		}
	}
	return id, nil
}
