package main_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
)

// authority certifies both sides of an agent's door.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.certificate, a.key = a.issue(t, "ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if template.IsCA { // it must outlive the week of what Caddy certifies by it
		template.NotAfter = time.Now().AddDate(1, 0, 0)
	}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return made, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// leaf issues a certificate for a name, for a server and for a client.
func (a *authority) leaf(t *testing.T, file, name string) {
	t.Helper()
	a.issue(t, file, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// reader is a client of a door that shows a certificate, none if it has no name.
func (a *authority) reader(t *testing.T, server, certificate string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	config := &tls.Config{RootCAs: pool, ServerName: server}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(a.file(certificate+".pem"), a.file(certificate+".key"))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// sayContainer starts a container that counts, registered as a domain.
func sayContainer(t *testing.T, e *engine.Real, domain string) (id string) {
	t.Helper()
	image := e.Image(t, "count", "10ms")
	e.Clean(t, "test="+e.Suffix)
	made, err := e.ContainerCreate(t.Context(), &container.Config{
		Image: image, Labels: map[string]string{"SERVICE_NAME": domain, "test": e.Suffix},
	}, &container.HostConfig{}, nil, nil, "")
	if err == nil {
		err = e.ContainerStart(t.Context(), made.ID, container.StartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// TestAgentLetsLogsBeRead starts an agent with its door open, finds it in Consul, and reads a log as who may and who may not.
func TestAgentLetsLogsBeRead(t *testing.T) {
	e := engine.NewReal(t)
	agent := consul.Start(t, consul.Options{})
	id := sayContainer(t, e, "says-"+e.Suffix+".example.com")
	a := newAuthority(t)
	a.leaf(t, "host", "h1")
	a.leaf(t, "edge", "edge")
	a.leaf(t, "stranger", "stranger")
	port := lab.FreePort(t)
	background(t, "agent", "--advertise", "127.0.0.1", "--allow-loopback", "--consul", agent.HTTP, "--admin", fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t)),
		"--node", "h1", "--logs", fmt.Sprintf("127.0.0.1:%d", port), "--logs-cert", a.file("host.pem"), "--logs-key", a.file("host.key"),
		"--logs-client-ca", a.file("ca.pem"), "--logs-client", "edge")

	var base string
	soon(t, "the door in Consul", func() bool {
		found, _, err := agent.Client().Health().Service("fairlead-agent", "", true, nil)
		if err != nil || len(found) != 1 {
			return false
		}
		s := found[0].Service
		if s.Meta["owner"] != "fairlead" || s.Port != port {
			t.Fatalf("registered as %+v", s)
		}
		base = fmt.Sprintf("https://%s:%d", s.Address, s.Port)
		return true
	})
	if _, err := a.reader(t, "h1", "").Get(base + "/containers"); err == nil {
		t.Error("a client without a certificate is let in")
	}
	if _, err := newAuthority(t).reader(t, "h1", "").Get(base + "/containers"); err == nil {
		t.Error("a client trusts the door although it knows its authority not")
	}
	if status, _ := read(t, a.reader(t, "h1", "stranger"), base+"/containers"); status != http.StatusForbidden {
		t.Errorf("a stranger gets %d", status)
	}
	edge := a.reader(t, "h1", "edge")
	if status, text := read(t, edge, base+"/containers"); status != 200 || !strings.Contains(text, id) {
		t.Errorf("%d %s", status, text)
	}
	next, cursor := 0, ""
	for range 3 {
		next, cursor = followed(t, edge, base, id, cursor, next, 60)
	}
	if status, text := read(t, edge, base+"/containers/"+id+"/stats"); status != 200 || !strings.Contains(text, "cpu_percent") {
		t.Errorf("%d %s", status, text)
	}
	answer, err := edge.Post(base+"/containers/"+id+"/stop", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST gets %d", answer.StatusCode)
	}
	a.leaf(t, "new", "h2") // the certificate is replaced while the agent runs
	for _, ending := range []string{".key", ".pem"} {
		if err := os.Rename(a.file("new"+ending), a.file("host"+ending)); err != nil {
			t.Fatal(err)
		}
	}
	soon(t, "the new certificate", func() bool {
		answer, err := a.reader(t, "h2", "edge").Get(base + "/containers")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
}

func read(t *testing.T, c *http.Client, url string) (status int, text string) {
	t.Helper()
	answer, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// followed reads so many numbers behind a cursor, which must count on stream by stream, and cuts itself off.
func followed(t *testing.T, c *http.Client, base, id, after string, next, count int) (int, string) {
	t.Helper()
	answer, err := c.Get(base + "/containers/" + id + "/logs?follow&after=" + after)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	seen, lines := map[int]bool{}, bufio.NewScanner(answer.Body)
	for len(seen) < count && lines.Scan() {
		var r struct{ Text, Cursor string }
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscan(r.Text, &n); err != nil || seen[n] {
			t.Fatalf("a record %s, %v", lines.Text(), err)
		}
		seen[n], after = true, r.Cursor
	}
	missing := 0
	for n := next; n < next+count; n++ {
		if !seen[n] {
			missing++
		}
	}
	if missing > 3 { // the last of each stream may be mixed up
		t.Errorf("of %d to %d, %d are missing", next, next+count, missing)
	}
	return next + count, after
}

// TestInternalAuthorityCertifiesTheDoor uses an authority of Caddy's own, over a reload.
func TestInternalAuthorityCertifiesTheDoor(t *testing.T) {
	engine.NewReal(t)
	agent := consul.Start(t, consul.Options{})
	a := newAuthority(t)
	a.leaf(t, "edge", "edge")
	node, port := "host-of-the-door", lab.FreePort(t)
	text := fmt.Sprintf(`{
	admin {ADMIN}
	auto_https off
	skip_install_trust
	pki {
		ca doors {
			root {
				cert %s
				key %s
			}
		}
	}
	fairlead {
		cluster live {
			consul %s
		}
		register docker {
			advertise 127.0.0.1
			allow loopback
			explicit
			owner door-test
			node %s
			logs 127.0.0.1:%d {
				internal doors
				client edge
			}
		}
		drain_delay 0
	}
}
http://:%d {
	fairlead
}
`, a.file("ca.pem"), a.file("ca.key"), agent.HTTP, node, port, lab.FreePort(t))
	edge := lab.StartEdge(t, text)
	url := fmt.Sprintf("https://127.0.0.1:%d/containers", port)
	if status, _ := read(t, a.reader(t, node, "edge"), url); status != 200 {
		t.Errorf("got %d", status)
	}
	if _, err := a.reader(t, node, "").Get(url); err == nil {
		t.Error("a client without a certificate is let in")
	}
	edge.WriteConfig(strings.Replace(text, "client edge", "client edge\n\t\t\t\tmax_viewers 5", 1))
	if err := edge.Reload(); err != nil {
		t.Fatal(err)
	}
	soon(t, "the door after a reload", func() bool {
		answer, err := a.reader(t, node, "edge").Get(url)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == 200
	})
}
