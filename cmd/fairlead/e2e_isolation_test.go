package main_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/fairlead/fairlead/tools/lab"
)

// The isolation tests call 127.0.0.2 an insider of the test cluster and every other address an outsider.
const (
	insider  = "127.0.0.2"
	outsider = "127.0.0.3"
)

// twin is an edge with a live and a test cluster, one domain in each and one secret that only test has.
type twin struct {
	edge              *lab.Edge
	http, https, dns  string
	liveHits, hitTest func() int64
}

func startTwin(t *testing.T) *twin {
	t.Helper()
	live := lab.StartBackend(t, "live-shop", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Early-Data", r.Header.Get("Early-Data"))
	}))
	test := lab.StartBackend(t, "test-shop", nil)
	liveFile := writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {live}, "*.shop.example.com": {live}})
	testFile := writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {test}, "secret.example.com": {test}})
	httpPort, httpsPort, dnsPort := lab.FreePort(t), lab.FreePort(t), lab.FreePort(t)
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	auto_https disable_redirects
	skip_install_trust
	http_port %d
	https_port %d
	fairlead {
		cluster live {
			file %s
		}
		cluster test {
			prefix test.
			allow %s
			file %s
		}
		trusted_proxies 127.0.0.9
		dns 127.0.0.1:%d
	}
	on_demand_tls {
		permission fairlead
	}
}
http:// {
	fairlead
}
https:// {
	tls {
		issuer internal
		on_demand
	}
	fairlead
}
`, httpPort, httpsPort, liveFile, insider, testFile, dnsPort))
	return &twin{
		edge: e, http: fmt.Sprintf("127.0.0.1:%d", httpPort), https: fmt.Sprintf("127.0.0.1:%d", httpsPort),
		dns: fmt.Sprintf("127.0.0.1:%d", dnsPort), liveHits: live.Hits.Load, hitTest: test.Hits.Load,
	}
}

// writeCatalog writes a static source's file with a service for each name.
func writeCatalog(t *testing.T, services map[string][]*lab.Backend) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "catalog.json")
	saveCatalog(t, file, services)
	return file
}

func saveCatalog(t *testing.T, file string, services map[string][]*lab.Backend) {
	t.Helper()
	type instance struct {
		ID      string            `json:"id"`
		Address string            `json:"address"`
		Port    int               `json:"port"`
		Meta    map[string]string `json:"meta,omitempty"`
	}
	uses := map[*lab.Backend]int{}
	for _, backends := range services {
		for _, b := range backends {
			uses[b]++
		}
	}
	out := map[string][]instance{}
	for name, backends := range services {
		service := name
		var meta map[string]string
		if strings.HasPrefix(name, "*.") {
			service, meta = "wild", map[string]string{"domain": name}
		}
		list := []instance{}
		for _, b := range backends {
			id := b.Name // unique in the file, as static sources want it
			if uses[b] > 1 {
				id += "-" + service
			}
			list = append(list, instance{ID: id, Address: "127.0.0.1", Port: b.Port, Meta: meta})
		}
		out[service] = list
	}
	text, err := json.Marshal(map[string]any{"services": out})
	if err == nil {
		err = os.WriteFile(file+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatalf("writing the catalogue: %v", err)
	}
}

// dialFrom connects to addr with from as the source address.
func dialFrom(t *testing.T, from, addr string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("connecting from %s: %v", from, err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends raw bytes and returns the status of the answer and who gave it.
func ask(t *testing.T, c net.Conn, raw string) (status int, backend string) {
	t.Helper()
	if _, err := c.Write([]byte(raw)); err != nil {
		t.Fatalf("sending: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("reading the answer to %q: %v", raw, err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("X-Backend")
}

func TestTestClusterIsClosedToOutsiders(t *testing.T) {
	w := startTwin(t)

	status, backend := ask(t, dialFrom(t, insider, w.http), "GET / HTTP/1.1\r\nHost: test.shop.example.com\r\n\r\n")
	if status != 200 || backend != "test-shop" {
		t.Fatalf("an insider got %d from %q, so the rest would prove nothing", status, backend)
	}
	status, backend = ask(t, dialFrom(t, outsider, w.http), "GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
	if status != 200 || backend != "live-shop" {
		t.Fatalf("an outsider got %d from %q on live", status, backend)
	}
	before := w.hitTest()

	const get = "GET / HTTP/1.1\r\nHost: "
	for _, row := range []struct{ name, from, raw string }{
		{"plain", outsider, get + "test.shop.example.com\r\n\r\n"},
		{"case", outsider, get + "TEST.Shop.Example.COM\r\n\r\n"},
		{"trailing dot", outsider, get + "test.shop.example.com.\r\n\r\n"},
		{"port", outsider, get + "test.shop.example.com:80\r\n\r\n"},
		{"trailing dot and port", outsider, get + "test.shop.example.com.:8443\r\n\r\n"},
		{"absolute form", outsider, "GET http://test.shop.example.com/ HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"},
		{"absolute form the other way", outsider, "GET http://test.shop.example.com/ HTTP/1.1\r\nHost: test.shop.example.com\r\n\r\n"},
		{"name only test has", outsider, get + "test.secret.example.com\r\n\r\n"},
		{"spoofed X-Forwarded-For", outsider, get + "test.shop.example.com\r\nX-Forwarded-For: " + insider + "\r\n\r\n"},
		{"spoofed Forwarded", outsider, get + "test.shop.example.com\r\nForwarded: for=" + insider + "\r\n\r\n"},
		{"spoofed twice", outsider, get + "test.shop.example.com\r\nX-Forwarded-For: " + insider + "\r\nX-Forwarded-For: " + insider + "\r\n\r\n"},
		{"X-Real-IP", outsider, get + "test.shop.example.com\r\nX-Real-IP: " + insider + "\r\n\r\n"},
		{"insider's proxy names an outsider", insider, get + "test.shop.example.com\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"},
		{"outsider in the middle of the chain", insider, get + "test.shop.example.com\r\nX-Forwarded-For: " + insider + ", 203.0.113.7, " + insider + "\r\n\r\n"},
		{"address that cannot be read", insider, get + "test.shop.example.com\r\nX-Forwarded-For: unknown\r\n\r\n"},
		{"IPv4-mapped outsider", insider, get + "test.shop.example.com\r\nX-Forwarded-For: ::ffff:203.0.113.7\r\n\r\n"},
		{"trusted proxy names an outsider", "127.0.0.9", get + "test.shop.example.com\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"},
		{"HTTP/1.0", outsider, "GET / HTTP/1.0\r\nHost: test.shop.example.com\r\n\r\n"},
		{"upgrade", outsider, get + "test.shop.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"},
		{"CONNECT", outsider, "CONNECT test.shop.example.com:80 HTTP/1.1\r\nHost: test.shop.example.com:80\r\n\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, backend := ask(t, dialFrom(t, row.from, w.http), row.raw)
			if status != 403 || backend != "" {
				t.Errorf("got %d from %q, want 403 from nobody", status, backend)
			}
		})
	}
	t.Run("later requests of a live connection", func(t *testing.T) {
		c := dialFrom(t, outsider, w.http)
		for range 2 {
			if status, backend := ask(t, c, get+"shop.example.com\r\n\r\n"); status != 200 || backend != "live-shop" {
				t.Fatalf("live: got %d from %q", status, backend)
			}
			if status, backend := ask(t, c, get+"test.shop.example.com\r\n\r\n"); status != 403 || backend != "" {
				t.Errorf("got %d from %q, want 403 from nobody", status, backend)
			}
		}
	})
	t.Run("a name nobody has is refused alike", func(t *testing.T) {
		if status, _ := ask(t, dialFrom(t, outsider, w.http), get+"test.nobody.example.com\r\n\r\n"); status != 403 {
			t.Errorf("got %d: outsiders can tell which test names exist", status)
		}
	})
	t.Run("two hosts", func(t *testing.T) {
		if status, _ := ask(t, dialFrom(t, outsider, w.http), get+"shop.example.com\r\nHost: test.shop.example.com\r\n\r\n"); status != 400 {
			t.Errorf("got %d, want 400", status)
		}
	})
	t.Run("trusted proxy with an insider behind it", func(t *testing.T) {
		status, backend := ask(t, dialFrom(t, "127.0.0.9", w.http), get+"test.shop.example.com\r\nX-Forwarded-For: "+insider+"\r\n\r\n")
		if status != 200 || backend != "test-shop" {
			t.Errorf("got %d from %q", status, backend)
		}
	})
	if got := w.hitTest() - before; got != 1 {
		t.Errorf("the test backend saw %d requests of which one was allowed", got)
	}
}

func TestTestClusterIsClosedOverTLS(t *testing.T) {
	w := startTwin(t)
	dialTLS := func(from, sni string, protos ...string) *tls.Conn {
		c := tls.Client(dialFrom(t, from, w.https), &tls.Config{ServerName: sni, InsecureSkipVerify: true, NextProtos: protos})
		if err := c.HandshakeContext(t.Context()); err != nil {
			return nil
		}
		return c
	}

	if c := dialTLS(outsider, "test.shop.example.com"); c != nil {
		t.Error("an outsider got a certificate of a test name")
	}
	if c := dialTLS(insider, "test.shop.example.com"); c == nil {
		t.Error("an insider got no certificate of a test name")
	}
	if c := dialTLS(outsider, "test.shop.example.com"); c != nil {
		t.Error("an outsider got the certificate of a test name that an insider had asked for before")
	}
	live := dialTLS(outsider, "shop.example.com", "http/1.1")
	if live == nil {
		t.Fatal("no certificate for the live name")
	}
	before := w.hitTest()
	if status, backend := ask(t, live, "GET / HTTP/1.1\r\nHost: test.shop.example.com\r\n\r\n"); status/100 != 4 || backend != "" {
		t.Errorf("SNI of live and Host of test: got %d from %q", status, backend)
	}

	t.Run("HTTP/2 coalescing", func(t *testing.T) {
		transport := &http.Transport{
			ForceAttemptHTTP2: true,
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
				return dialTLS(outsider, "shop.example.com", "h2"), nil
			},
		}
		defer transport.CloseIdleConnections()
		checkCoalescing(t, &http.Client{Transport: transport}, 2)
	})
	t.Run("HTTP/3 coalescing", func(t *testing.T) {
		packets, err := net.ListenPacket("udp", outsider+":0")
		if err != nil {
			t.Fatal(err)
		}
		quicTransport := &quic.Transport{Conn: packets}
		transport := &http3.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			Dial: func(ctx context.Context, _ string, cfg *tls.Config, qc *quic.Config) (*quic.Conn, error) {
				to, err := net.ResolveUDPAddr("udp", w.https)
				if err != nil {
					return nil, err
				}
				cfg.ServerName = "shop.example.com"
				return quicTransport.DialEarly(ctx, to, cfg, qc)
			},
		}
		defer packets.Close()
		defer quicTransport.Close()
		defer transport.Close()
		checkCoalescing(t, &http.Client{Transport: transport, Timeout: 10 * time.Second}, 3)
	})
	if got := w.hitTest() - before; got != 0 {
		t.Errorf("the test backend saw %d requests", got)
	}
}

// checkCoalescing sends a live and a test request over connections made for the live name.
func checkCoalescing(t *testing.T, client *http.Client, major int) {
	t.Helper()
	resp, err := client.Get("https://shop.example.com/")
	if err != nil {
		t.Fatalf("live name: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != major || resp.Header.Get("X-Backend") != "live-shop" {
		t.Fatalf("live name: got %s over %s from %q", resp.Status, resp.Proto, resp.Header.Get("X-Backend"))
	}
	req, err := http.NewRequest("GET", "https://shop.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "test.shop.example.com"
	resp, err = client.Do(req)
	if err != nil {
		t.Fatalf("test name: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 4 || resp.Header.Get("X-Backend") != "" {
		t.Errorf("test name: got %s from %q", resp.Status, resp.Header.Get("X-Backend"))
	}
}

func TestTestClusterIsClosedInDNS(t *testing.T) {
	w := startTwin(t)
	look := func(network, from, name string, qtype uint16) *dns.Msg {
		t.Helper()
		dialer := &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
		if network == "tcp" {
			dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		ask := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(1232, false)
		// Whose address it is to be answered for (RFC 7871) is a client's word only.
		ask.IsEdns0().Option = append(ask.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 32, Address: net.ParseIP(insider).To4()})
		client := &dns.Client{Net: network, Dialer: dialer, Timeout: 5 * time.Second}
		answer, _, err := client.Exchange(ask, w.dns)
		if err != nil {
			t.Fatalf("asking for %s: %v", name, err)
		}
		return answer
	}
	for _, network := range []string{"udp", "tcp"} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeSRV} {
			for _, name := range []string{"test.shop.example.com.", "test.shop.example.com.service.fairlead."} {
				if got := look(network, insider, name, qtype); len(got.Answer) != 1 {
					t.Fatalf("an insider got %v", got)
				}
			}
			for _, name := range []string{"test.shop.example.com.", "TEST.shop.example.com.", "test.secret.example.com.", "test.nobody.example.com.",
				"test.shop.example.com.service.fairlead.", "test.nobody.service.fairlead."} {
				if got := look(network, outsider, name, qtype); len(got.Answer) != 0 || got.Rcode != dns.RcodeNameError {
					t.Errorf("an outsider asking for %s by %s got %v", name, network, got)
				}
			}
		}
	}
}
