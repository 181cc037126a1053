package consul

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// transport carries the requests to one agent: it knows the open connections, so that a black hole can be left at once, and puts
// the token of the moment into each request.
type transport struct {
	token *token
	http  *http.Transport

	mu   sync.Mutex
	open map[*trackedConn]struct{}
}

func newTransport(c Config, tok *token) (*transport, error) {
	t := &transport{token: tok, open: map[*trackedConn]struct{}{}}
	dialer := &net.Dialer{
		Timeout:         c.Timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: c.KeepAlive, Interval: c.KeepAlive, Count: 3},
	}
	secure, err := tlsConfig(c.TLS)
	if err != nil {
		return nil, err
	}
	t.http = &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return t.track(conn), nil
		},
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: c.Timeout,
		// HTTP/1.1 on HTTPS too, by no other protocol being named: multiplexed over HTTP/2, new watches stalled (docs/consul-watch.md).
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: c.MaxWatches + c.Readers,
		IdleConnTimeout:     90 * time.Second,
	}
	return t, nil
}

func tlsConfig(c TLS) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, InsecureSkipVerify: c.InsecureSkipVerify}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("consul: authorities: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("consul: %s holds no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("consul: client certificate: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// RoundTrip implements http.RoundTripper. It may set the header: the API client makes each request for one use.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Del("X-Consul-Token")
	if value := t.token.get(); value != "" {
		r.Header.Set("X-Consul-Token", value)
	}
	return t.http.RoundTrip(r)
}

// redial closes every connection, those of waiting queries too: they fail and are asked again over new ones.
func (t *transport) redial() {
	t.mu.Lock()
	open := t.open
	t.open = map[*trackedConn]struct{}{}
	t.mu.Unlock()
	for conn := range open {
		_ = conn.Conn.Close()
	}
	t.http.CloseIdleConnections()
}

func (t *transport) track(conn net.Conn) net.Conn {
	tracked := &trackedConn{Conn: conn, owner: t}
	t.mu.Lock()
	t.open[tracked] = struct{}{}
	t.mu.Unlock()
	return tracked
}

// trackedConn leaves its transport's list when it is closed.
type trackedConn struct {
	net.Conn
	owner *transport
}

func (c *trackedConn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
