package plugins_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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

	"github.com/fairlead/fairlead/plugins/app"
	"github.com/fairlead/fairlead/tools/lab"
)

// locked is a site for clients with certificates beside one for everybody, at one address.
const locked = `{
	fairlead {
		cluster live {
			file {LIVE}
		}
		{STATE}
	}
}
https://locked.example.com:{HTTPSPORT} {
	tls internal {
		client_auth {
			mode require_and_verify
			trust_pool file {DIR}/authority.pem
		}
	}
	fairlead
}
https://shop.example.com:{HTTPSPORT} {
	tls internal
	fairlead
}
`

// ownCertificate makes a certificate that is its own authority.
func ownCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestClientCertificatesAreDemanded of whoever asks for the site, whatever its engine, and also of who came for another one.
func TestClientCertificatesAreDemanded(t *testing.T) {
	known, stranger := ownCertificate(t), ownCertificate(t)
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) {
			s := newSite(t)
			s.lane = lane
			shop := lab.StartBackend(t, "shop", nil)
			s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}, "locked.example.com": {shop}})
			authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: known.Certificate[0]})
			if err := os.WriteFile(filepath.Join(s.dir, "authority.pem"), authority, 0o600); err != nil {
				t.Fatal(err)
			}
			s.mustLoad(locked)
			s.until("the certificates", func() bool {
				_, err := s.handshake("shop.example.com", "127.0.0.1")
				return err == nil && s.asks("locked.example.com", "locked.example.com", known) == "200"
			})
			reason := "client_auth"
			if lane == "lane off" {
				reason = lane
			}
			if got := s.explainedLane(t, "locked.example.com"); got != reason {
				t.Errorf("explained by %q, want %q", got, reason)
			}
			for _, c := range []struct {
				name, sni, host string
				shown           []tls.Certificate
				answer          string
			}{
				{"nothing shown", "locked.example.com", "locked.example.com", nil, "none"},
				{"a stranger's", "locked.example.com", "locked.example.com", []tls.Certificate{stranger}, "none"},
				{"the right one", "locked.example.com", "locked.example.com", []tls.Certificate{known}, "200"},
				{"by the other site", "shop.example.com", "locked.example.com", nil, "421"},
				{"by the other site, in capitals", "shop.example.com", "LOCKED.example.com", nil, "421"},
				{"the other site", "shop.example.com", "shop.example.com", nil, "200"},
			} {
				if got := s.asks(c.sni, c.host, c.shown...); got != c.answer {
					t.Errorf("%s: answered %s, want %s", c.name, got, c.answer)
				}
			}
		})
	}
}

// asks sends a request for host by TLS for another name, and returns the status of the answer, or none.
func (s *site) asks(sni, host string, shown ...tls.Certificate) string {
	c, err := tls.Dial("tcp", s.https, &tls.Config{ServerName: sni, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &append(shown, tls.Certificate{})[0], nil // also one that is not asked for
		}})
	if err != nil {
		return "none"
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, get(host, "/"))
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "none"
	}
	return fmt.Sprint(response.StatusCode)
}

// TestAltSvcIsCaddys compares what clients are told of HTTP/3, in answers and in refusals, by TLS and in clear.
func TestAltSvcIsCaddys(t *testing.T) {
	for _, h3 := range []bool{true, false} {
		for _, lane := range engines {
			t.Run(fmt.Sprintf("%s, HTTP/3 %t", lane, h3), func(t *testing.T) {
				s := newSite(t)
				s.lane = lane
				shop, gone := lab.StartBackend(t, "shop", nil), lab.StartBackend(t, "gone", nil)
				gone.Close()
				s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}, "gone.example.com": {gone}})
				protocols, want := "h1 h2", ""
				if h3 {
					protocols, want = "h1 h2 h3", `h3=":`+port(s.https)+`"; ma=2592000`
				}
				s.mustLoad(strings.Replace(both, "{\n", "{\n\tservers {\n\t\tprotocols "+protocols+"\n\t}\n", 1))
				s.until("the certificate", func() bool { _, err := s.handshake("shop.example.com", "127.0.0.1"); return err == nil })
				served := app.Current().Edge().Lane().Served
				for _, host := range []string{"shop.example.com", "gone.example.com"} {
					for name, want := range map[string]string{"shop.example.com": want, "": ""} {
						c := s.talkTo(t, name)
						c.say(get(host, "/"))
						response, err := http.ReadResponse(c.in, nil)
						if err != nil {
							t.Fatal(err)
						}
						if got := response.Header["Alt-Svc"]; strings.Join(got, "|") != want {
							t.Errorf("%s, TLS %t: Alt-Svc %q, want %q", host, name != "", got, want)
						}
					}
				}
				if lane != "lane off" {
					served += 4
				}
				s.laneHasServed(served)
			})
		}
	}
}

// TestTLSEndsWithItsAddress: when a configuration comes without the address, what is idle is told the end at once, and a request under way
// is answered first.
func TestTLSEndsWithItsAddress(t *testing.T) {
	for _, lane := range engines {
		t.Run(lane, func(t *testing.T) {
			s := newSite(t)
			s.lane = lane
			begun, release := make(chan struct{}), make(chan struct{})
			shop := lab.StartBackend(t, "shop", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					close(begun)
					<-release
				}
				io.WriteString(w, "shop")
			}))
			s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
			s.mustLoad(both)
			s.until("the certificate", func() bool { _, err := s.handshake("shop.example.com", "127.0.0.1"); return err == nil })
			config := &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
			idle, busy := lab.DialTLS(t, s.https, config), lab.DialTLS(t, s.https, config)
			first, slow := &talk{idle, bufio.NewReader(idle), t}, &talk{busy, bufio.NewReader(busy), t}
			first.say(get("shop.example.com", "/"))
			first.hears("shop")
			slow.say(get("shop.example.com", "/slow"))
			<-begun

			clear, _, _ := strings.Cut(both, "https:// {")
			loaded := make(chan error, 1)
			go func() { loaded <- s.load(clear) }() // where Caddy serves, it waits for the request
			if err := idle.AwaitEnd(); err != nil {
				t.Errorf("the idle connection: %v", err)
			}
			close(release)
			slow.hears("shop")
			if err := busy.AwaitEnd(); err != nil {
				t.Errorf("the busy connection: %v", err)
			}
			if err := <-loaded; err != nil {
				t.Error(err)
			}
		})
	}
}
