package consul

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// configure returns the agent's configuration file and notes its addresses.
func (a *Agent) configure(o Options) (map[string]any, error) {
	ports := map[string]int{"dns": -1, "grpc": -1, "grpc_tls": -1, "https": -1, "serf_wan": -1}
	bind, client := "127.0.0.1", "127.0.0.1"
	if o.Address != "" {
		bind, client = o.Address, "127.0.0.1 "+o.Address
		ports["http"], ports["server"], ports["serf_lan"] = 8500, 8300, 8301
	} else if err := choosePorts(ports, o.serf); err != nil {
		return nil, err
	}
	a.HTTP = fmt.Sprintf("%s:%d", bind, ports["http"])
	config := map[string]any{
		"node_name":             a.Node,
		"bind_addr":             bind,
		"client_addr":           client,
		"server":                true,
		"log_level":             "WARN",
		"ports":                 ports,
		"performance":           map[string]any{"raft_multiplier": 1},
		"disable_update_check":  true,
		"check_update_interval": "0s",
		"leave_on_terminate":    false,
	}
	if o.Persistent {
		config["data_dir"] = filepath.Join(a.dir, "data")
		config["bootstrap_expect"] = max(1, o.expect)
		config["retry_join"] = o.join
		config["retry_interval"] = "1s"
	}
	if o.MaxConns != 0 {
		config["limits"] = map[string]any{"http_max_conns_per_client": o.MaxConns}
	}
	if o.ACL {
		a.token = ManagementToken
		config["acl"] = map[string]any{
			"enabled":        true,
			"default_policy": "deny",
			"tokens":         map[string]any{"initial_management": ManagementToken, "agent": ManagementToken},
		}
	}
	if o.Datacenter != "" {
		port, err := lab.Port()
		if err != nil {
			return nil, err
		}
		ports["serf_wan"], config["datacenter"] = port, o.Datacenter
		a.wan = fmt.Sprintf("%s:%d", bind, port)
	}
	if o.HTTPS {
		if err := a.secure(config, ports); err != nil {
			return nil, err
		}
	}
	maps.Copy(config, o.Settings)
	return config, nil
}

// choosePorts fills in free ports; serf, unless 0, is the one agreed on with the other servers.
func choosePorts(ports map[string]int, serf int) error {
	for _, name := range []string{"http", "server", "serf_lan"} {
		port, err := lab.Port()
		if err != nil {
			return err
		}
		ports[name] = port
	}
	if serf != 0 {
		ports["serf_lan"] = serf
	}
	return nil
}

// secure gives the agent an HTTPS port with a certificate for 127.0.0.1 that vouches for itself.
func (a *Agent) secure(config map[string]any, ports map[string]int) error {
	port, err := lab.Port()
	if err != nil {
		return err
	}
	ports["https"] = port
	a.HTTPS = fmt.Sprintf("127.0.0.1:%d", port)
	a.CAFile = filepath.Join(a.dir, "cert.pem")
	keyFile := filepath.Join(a.dir, "key.pem")
	if err := writeCertificate(a.CAFile, keyFile); err != nil {
		return fmt.Errorf("consul's certificate: %w", err)
	}
	config["tls"] = map[string]any{"https": map[string]any{"cert_file": a.CAFile, "key_file": keyFile}}
	return nil
}

func writeCertificate(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "consul"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}
