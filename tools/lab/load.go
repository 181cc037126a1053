package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Load is a client that counts. Its fields are set before Run.
type Load struct {
	// Target is the host:port all requests go to, whatever their host.
	Target string
	// Host gives the n-th request's Host.
	Host func(n int64) string
	// Path is the request's target, "/" if empty.
	Path string
	// Clients is the number of clients at work side by side.
	Clients int
	// Fresh makes a new connection for every request. Otherwise connections are kept, and a request whose kept connection the
	// server closed before answering is repeated once (RFC 9112 §9.3.1), as every HTTP client does.
	Fresh bool
	// Pause is what each client waits between requests.
	Pause time.Duration

	OK, Failed atomic.Int64
	mu         sync.Mutex
	failures   []string
}

// Run sends requests until ctx ends or max (0: no limit) have been sent.
func (l *Load) Run(ctx context.Context, max int64) {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, l.Target)
		},
		MaxIdleConnsPerHost: 4,
		DisableKeepAlives:   l.Fresh,
		DisableCompression:  true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var sent atomic.Int64
	var group sync.WaitGroup
	for range l.Clients {
		group.Go(func() {
			for ctx.Err() == nil {
				n := sent.Add(1)
				if max > 0 && n > max {
					return
				}
				l.one(client, n)
				if l.Pause > 0 {
					time.Sleep(l.Pause)
				}
			}
		})
	}
	group.Wait()
}

// one sends a request that the end of the load does not cut.
func (l *Load) one(client *http.Client, n int64) {
	host := l.Host(n)
	resp, err := client.Get("http://" + host + "/" + strings.TrimPrefix(l.Path, "/"))
	if err != nil {
		l.fail(fmt.Sprintf("%s: %v", host, err))
		return
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	switch {
	case err != nil:
		l.fail(fmt.Sprintf("%s: reading the body: %v", host, err))
	case resp.StatusCode != http.StatusOK:
		l.fail(fmt.Sprintf("%s: %s", host, resp.Status))
	default:
		l.OK.Add(1)
	}
}

func (l *Load) fail(what string) {
	l.Failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < 10 {
		l.failures = append(l.failures, time.Now().Format("15:04:05.000 ")+what)
	}
}

// Failures returns the first failures, a line each.
func (l *Load) Failures() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.failures, "\n")
}
