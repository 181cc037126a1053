package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// traffic is a client that asks an edge for one domain again and again, and counts.
type traffic struct {
	domain string
	edge   string // host:port

	mu       sync.Mutex
	ok       int64
	failures []failure
	silent   bool // as its edge is down on purpose
	heard    time.Time
}

// failure is a request that failed.
type failure struct {
	began time.Time
	what  string
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
		began := time.Now()
		c.note(began, c.ask(client))
		time.Sleep(pause)
	}
}

func (c *traffic) note(began time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.silent || began.Before(c.heard):
	case err == nil:
		c.ok++
	default:
		c.failures = append(c.failures, failure{began, fmt.Sprintf("%s %s at %s: %v", began.Format("15:04:05.000"), c.domain, c.edge, err)})
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
	c.silent, c.heard = silent, time.Now()
}

// mark is a moment, and how many requests for either service were answered by then at all edges.
type mark struct {
	at time.Time
	ok map[string]int64
}

// mark marks this moment.
func (w *ward) mark() mark {
	m := mark{time.Now(), map[string]int64{}}
	for _, c := range w.clients {
		c.mu.Lock()
		m.ok[c.domain] += c.ok
		c.mu.Unlock()
	}
	return m
}

// since returns how many requests for a domain were answered since a mark, and those that began since and failed.
func (w *ward) since(domain string, m mark) (ok int64, failed []string) {
	for _, c := range w.clients {
		if c.domain != domain {
			continue
		}
		c.mu.Lock()
		ok += c.ok
		for _, f := range c.failures {
			if f.began.After(m.at) {
				failed = append(failed, f.what)
			}
		}
		c.mu.Unlock()
	}
	return ok - m.ok[domain], failed
}

// failedSince returns how many requests for either service failed since.
func (w *ward) failedSince(m mark) int {
	_, one := w.since(tended, m)
	_, other := w.since(untended, m)
	return len(one) + len(other)
}

// unfailed waits for an answered request for the tended service, and fails the test if one since failed.
func (w *ward) unfailed(t *testing.T, m mark, when string) {
	t.Helper()
	w.until(t, "an answer "+when, slack, func() bool { ok, _ := w.since(tended, m); return ok > 0 })
	if ok, failed := w.since(tended, m); len(failed) > 0 {
		t.Errorf("%d requests answered and %d failed %s; the first: %s", ok, len(failed), when, failed[0])
	}
}
