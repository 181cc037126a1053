package egress

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// HTTP2 settings that nobody needs to change: an idle connection with streams is asked for a sign of life after pingAfter, and given up
// if none comes within pingWait.
const (
	pingAfter = 30 * time.Second
	pingWait  = 15 * time.Second
)

// http2 keeps one transport per member that is spoken to by HTTP/2 in clear. Streams share connections, so those are not kept with
// the idle ones.
type http2 struct {
	mu      sync.Mutex
	members map[key]*multiplexed
}

type multiplexed struct {
	*http.Transport
	target              Target
	keepalive, response time.Duration
}

// HTTP2 returns what speaks HTTP/2 in clear, with prior knowledge, to the target and to no other: the host of a request's URL does not
// count. response bounds the wait for a response's head after the request's end. Compression is left to the two ends.
func (t *Transport) HTTP2(to Target, keepalive, response time.Duration) http.RoundTripper {
	t.http2.mu.Lock()
	defer t.http2.mu.Unlock()
	m := t.http2.members[to.key()]
	if m != nil && m.target == to && m.keepalive == keepalive && m.response == response {
		return m
	}
	if m != nil {
		m.CloseIdleConnections()
	}
	m = &multiplexed{target: to, keepalive: keepalive, response: response, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := t.Dial(ctx, &to)
			if err != nil {
				return nil, err
			}
			return c.TCPConn, nil
		},
		Protocols:             new(http.Protocols),
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait},
		IdleConnTimeout:       keepalive,
		ResponseHeaderTimeout: response,
		DisableCompression:    true,
	}}
	m.Protocols.SetUnencryptedHTTP2(true)
	if t.http2.members == nil {
		t.http2.members = map[key]*multiplexed{}
	}
	t.http2.members[to.key()] = m
	return m
}

// forget closes the connections of members that gone names as their last streams end.
func (h *http2) forget(gone func(key) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, m := range h.members {
		if gone(k) {
			m.CloseIdleConnections()
			delete(h.members, k)
		}
	}
}

// keys adds the members that have a transport to set.
func (h *http2) keys(set map[key]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k := range h.members {
		set[k] = true
	}
}
