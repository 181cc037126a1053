package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/tools/lab"
)

// client asks one door over one kept-alive connection.
type client struct {
	http.Client
	door address
}

func newClient(s settings, door address) *client {
	transport := &http.Transport{MaxConnsPerHost: 1, DisableCompression: true, ForceAttemptHTTP2: false,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, door.String())
		},
		TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS13}}
	return &client{Client: http.Client{Transport: transport}, door: door}
}

// get returns what a path answers.
func get(ctx context.Context, c *client, path string) (status int, body []byte, err error) {
	scheme := "http://"
	if c.door.TLS {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, "GET", scheme+host+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err == nil && resp.ProtoMajor != 1 {
		err = fmt.Errorf("it speaks %s", resp.Proto)
	}
	return resp.StatusCode, body, err
}

// verify makes sure that a peer serves the members' bytes on both its addresses, from all the members in turn, over connections
// that it keeps, and tells them of the client; and that what serves is the engine to be measured.
func verify(ctx context.Context, r *process) error {
	if r.engine != "" {
		if err := checkEngine(ctx, r); err != nil {
			return err
		}
	}
	for _, door := range r.Doors() {
		c := newClient(r.settings, door)
		defer c.CloseIdleConnections()
		for path, want := range bodies(r.settings) {
			status, got, err := get(ctx, c, path)
			if err != nil {
				return err
			}
			if status != http.StatusOK || !bytes.Equal(got, want) {
				return fmt.Errorf("%s answers %d with %d bytes, or others, where the members have %d", door.URL(path), status, len(got), len(want))
			}
		}
		if err := checkMembers(ctx, c, r); err != nil {
			return fmt.Errorf("%s: %w", door.URL("/check"), err)
		}
	}
	return nil
}

// checkEngine asks Fairlead by which engine of the lane it serves; those without any are off.
func checkEngine(ctx context.Context, r *process) error {
	body, err := lab.Fetch(ctx, r.Admin.URL("/fairlead/explain?host="+host))
	if err != nil {
		return err
	}
	var explained struct {
		Lane []struct {
			Listen         []string
			Serves         bool
			Reason, Engine string
		}
	}
	if err := json.Unmarshal(body, &explained); err != nil {
		return fmt.Errorf("asking for the engine: %w", err)
	}
	if want := len(r.Doors()); len(explained.Lane) != want {
		return fmt.Errorf("it tells the engine of %d addresses, want %d", len(explained.Lane), want)
	}
	for _, l := range explained.Lane {
		if l.Serves != (r.engine != "off") || l.Serves && l.Engine != r.engine {
			return fmt.Errorf("the engine at %s is %q (in the lane: %t, %s), and %s is to be measured", l.Listen, l.Engine, l.Serves, l.Reason, r.engine)
		}
	}
	return nil
}

// checkMembers asks the members what they know.
func checkMembers(ctx context.Context, c *client, r *process) error {
	scheme, most := "http", 0
	if c.door.TLS {
		scheme = "https"
	}
	told := strings.Join([]string{host, "127.0.0.1", scheme, host}, " ")
	seen := map[int]int{}
	for range 20 * len(r.Members) {
		_, body, err := get(ctx, c, "/check")
		if err != nil {
			return err
		}
		var port, requests int
		if _, err := fmt.Sscan(string(body), &port, &requests); err != nil {
			return fmt.Errorf("reading %q: %w", body, err)
		}
		if !strings.HasSuffix(string(body), " "+told) {
			return fmt.Errorf("the member was told %q, want %q at its end", body, told)
		}
		seen[port]++
		most = max(most, requests)
	}
	for _, m := range r.Members {
		if n := seen[m.Port]; n < 10 {
			return fmt.Errorf("of %d requests %d went to the member on port %d", 20*len(r.Members), n, m.Port)
		}
	}
	if most < 5 {
		return errors.New("it keeps no connection to the members")
	}
	return nil
}
