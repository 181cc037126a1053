package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// traffic is a client that asks an edge for one domain again and again, and counts.
type traffic struct {
	domain string
	edge   string // host:port

	ok, failed atomic.Int64
	mu         sync.Mutex
	first      string // the first failure since a mark
	silent     bool   // as its edge is down on purpose
}

// pause is the time between two requests.
const pause = 20 * time.Millisecond

func (c *traffic) run(ctx context.Context) {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, c.edge)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	for ctx.Err() == nil {
		err := c.ask(client)
		c.mu.Lock()
		switch {
		case c.silent:
		case err == nil:
			c.ok.Add(1)
		default:
			if c.failed.Add(1); c.first == "" {
				c.first = fmt.Sprintf("%s %s at %s: %v", time.Now().Format("15:04:05.000"), c.domain, c.edge, err)
			}
		}
		c.mu.Unlock()
		time.Sleep(pause)
	}
}

func (c *traffic) ask(client *http.Client) error {
	response, err := client.Get("http://" + c.domain + "/")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s (%s)", response.Status, response.Header.Get("Fairlead-Reason"))
	}
	return nil
}

// hush has the client count nothing, while its edge is down on purpose.
func (c *traffic) hush(silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = silent
}

// counted are the requests of both services until some moment, at all edges.
type counted struct{ ok, failed int64 }

// tally returns the requests for a domain so far, and forgets which failed first.
func (w *ward) tally(domain string) (c counted) {
	for _, client := range w.clients {
		if client.domain == domain {
			c.ok += client.ok.Load()
			c.failed += client.failed.Load()
			client.mu.Lock()
			client.first = ""
			client.mu.Unlock()
		}
	}
	return c
}

// since returns what was counted for a domain after an earlier count, and the first failure.
func (w *ward) since(domain string, before counted) (c counted, first string) {
	for _, client := range w.clients {
		if client.domain == domain {
			c.ok += client.ok.Load()
			c.failed += client.failed.Load()
			client.mu.Lock()
			if first == "" {
				first = client.first
			}
			client.mu.Unlock()
		}
	}
	return counted{c.ok - before.ok, c.failed - before.failed}, first
}

// tallies counts the requests for both services.
func (w *ward) tallies() [2]counted { return [2]counted{w.tally(tended), w.tally(untended)} }

// failedSince returns how many requests for either failed since.
func (w *ward) failedSince(before [2]counted) int64 {
	one, _ := w.since(tended, before[0])
	other, _ := w.since(untended, before[1])
	return one.failed + other.failed
}

// unfailed fails the test if a request for the tended service failed since, or none was answered.
func (w *ward) unfailed(t *testing.T, before [2]counted, when string) {
	t.Helper()
	if c, first := w.since(tended, before[0]); c.failed > 0 || c.ok == 0 {
		t.Errorf("%d requests answered and %d failed %s; the first: %s", c.ok, c.failed, when, first)
	}
}
