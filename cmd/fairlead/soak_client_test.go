package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// soakClient asks for one thing again and again.
type soakClient struct {
	http     *http.Client
	url      string
	body     []byte // of a POST
	chunked  bool   // it is sent without a length
	want     int    // bytes of the answer
	sent     int
	failures []string
}

// soakClients are those of one edge: short and long answers, uploads of both framings, kept connections and fresh ones, in clear and by
// TLS.
func soakClients(plain, secure int) (all []*soakClient) {
	dial := func(port int) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		}
	}
	for _, scheme := range []string{"http", "https"} {
		port := plain
		if scheme == "https" {
			port = secure
		}
		for _, what := range []struct {
			client soakClient
			fresh  bool
			number int
		}{
			{client: soakClient{url: soakQuick + "/?size=100", want: 100}, number: 4},
			{client: soakClient{url: soakQuick + "/?size=100", want: 100}, fresh: true, number: 1},
			{client: soakClient{url: soakBulk + "/?size=700000", want: 700_000}, number: 1},
			{client: soakClient{url: soakBulk + "/echo", body: bytes.Repeat([]byte("s"), 2_000), want: 2_000}, number: 1},
			{client: soakClient{url: soakBulk + "/echo", body: bytes.Repeat([]byte("l"), 300_000), want: 300_000}, number: 1},
			{client: soakClient{url: soakBulk + "/echo", body: bytes.Repeat([]byte("c"), 100_000), chunked: true, want: 100_000}, number: 1},
		} {
			for range what.number {
				c := what.client
				c.url = scheme + "://" + c.url
				c.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
					DialContext: dial(port), DisableKeepAlives: what.fresh, DisableCompression: true,
					TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the edge's own authority made its certificate
				}}
				all = append(all, &c)
			}
		}
	}
	return all
}

// run asks until ctx ends. A request that is under way then is finished.
func (c *soakClient) run(ctx context.Context) {
	for ctx.Err() == nil && len(c.failures) < 5 {
		c.sent++
		if err := c.ask(); err != nil {
			c.failures = append(c.failures, fmt.Sprintf("%s: %v", c.url, err))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (c *soakClient) ask() error {
	r, err := http.NewRequest("GET", c.url, nil)
	if c.body != nil {
		var body io.Reader = bytes.NewReader(c.body)
		if c.chunked {
			body = io.MultiReader(body) // net/http sees no length
		}
		r, err = http.NewRequest("POST", c.url, body)
	}
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s (%s)", resp.Status, resp.Header.Get("Fairlead-Reason"))
	case len(got) != c.want || c.body != nil && !bytes.Equal(got, c.body):
		return fmt.Errorf("%d bytes beginning with %.20q, want %d", len(got), strings.TrimSpace(string(got)), c.want)
	}
	return nil
}
