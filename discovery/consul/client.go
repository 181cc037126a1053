package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// What an answer lacks to be believed.
var (
	errNoLeader = errors.New("Consul knows no leader at the moment")
	errFiltered = errors.New("the answer was filtered by ACL: the token lacks rights, see docs/acl.md")
	errNull     = errors.New("the answer is null")
	errNoIndex  = errors.New("the answer has no X-Consul-Index: is this a Consul agent?")
)

// client reads from one agent. Safe for concurrent use.
type client struct {
	api       *api.Client
	transport *transport
	margin    time.Duration
	timeout   time.Duration
}

func newClient(c Config) (*client, error) {
	tok, err := newToken(c.Token, c.TokenFile)
	if err != nil {
		return nil, err
	}
	t, err := newTransport(c, tok)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(c.Address)
	if err != nil {
		return nil, fmt.Errorf("consul: address: %w", err)
	}
	made, err := api.NewClient(&api.Config{
		Scheme: u.Scheme, Address: u.Host, Datacenter: c.Datacenter,
		// Any token here keeps those of the environment out; the transport puts the right one in its place.
		Token: "none",
		// A redirect would take the token elsewhere. Agents send none.
		HttpClient: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	})
	if err != nil {
		return nil, fmt.Errorf("consul: %w", err)
	}
	return &client{api: made, transport: t, margin: c.Margin, timeout: c.Timeout}, nil
}

// ask is how a path is read.
type ask struct {
	index      uint64        // wait until it is passed; 0: answer at once
	wait       time.Duration // at most so long
	consistent bool          // the leader makes sure that it still is one
	stale      bool          // any server may answer
	// direct keeps the agent from answering a wait out of its streaming views: those answers tell neither whether there is a
	// leader nor whether they were filtered. Sorting by distance, which the order of our instances does not show, does that.
	direct bool
}

// answer is what came with a body.
type answer struct {
	index    uint64
	took     time.Duration // decoding, and waiting too where the query did not block
	streamed bool          // out of a streaming view: whether it can be believed is not said
	// consistent says that the leader has made sure that it is one.
	consistent bool
}

// read decodes path into out. A nil error means a complete answer, unfiltered, from a Consul that has a leader, unless it
// is streamed.
func (c *client) read(ctx context.Context, path string, how ask, out any) (answer, error) {
	return c.query(ctx, how, func(options *api.QueryOptions) (*api.QueryMeta, error) {
		return c.api.Raw().Query(path, out, options)
	})
}

// query runs a read under the hard deadline that belongs to how it is asked, and judges what came with the answer.
func (c *client) query(ctx context.Context, how ask, run func(*api.QueryOptions) (*api.QueryMeta, error)) (answer, error) {
	deadline := c.timeout
	if how.index > 0 {
		// Consul adds up to wait/16 of jitter ("Blocking queries", wait).
		deadline = how.wait + how.wait/16 + c.margin
	}
	limited, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	began := time.Now()
	meta, err := run(how.options().WithContext(limited))
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case limited.Err() != nil:
		return answer{}, fmt.Errorf("no answer within %s: %w", deadline, context.DeadlineExceeded)
	case err != nil:
		return answer{}, explain(err)
	case meta.LastIndex == 0:
		return answer{}, errNoIndex
	}
	got := answer{index: meta.LastIndex, took: time.Since(began), streamed: meta.QueryBackend == api.QueryBackendStreaming, consistent: how.consistent}
	switch {
	case !meta.KnownLeader && !got.streamed:
		return answer{}, errNoLeader
	case meta.ResultsFilteredByACLs:
		return answer{}, errFiltered
	}
	if how.index > 0 {
		got.took -= meta.RequestTime
	}
	return got, nil
}

func (a ask) options() *api.QueryOptions {
	o := &api.QueryOptions{WaitIndex: a.index, WaitTime: a.wait, RequireConsistent: a.consistent, AllowStale: a.stale && !a.consistent}
	if a.direct {
		o.Near = "_agent"
	}
	return o
}

// explain says what to do about the refusals that an operator can end.
func explain(err error) error {
	var refused api.StatusError
	if errors.As(err, &refused) {
		body := strings.TrimSpace(refused.Body)
		switch {
		case refused.Code == http.StatusTooManyRequests && strings.Contains(body, "rate limit exceeded"):
			return fmt.Errorf("Consul refuses more requests (429): raise limits.request_limits on its servers: %s", body)
		case refused.Code == http.StatusTooManyRequests:
			return errors.New("Consul refuses more connections from this host (429): raise limits.http_max_conns_per_client on the agent, or lower max_watches")
		case refused.Code == http.StatusForbidden:
			return fmt.Errorf("Consul refuses the ACL token (403), see docs/acl.md: %s", body)
		}
		if len(body) > 200 {
			body = body[:200] + "…"
		}
		return fmt.Errorf("Consul answers %d: %s", refused.Code, body)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the agent closed the connection")
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return fmt.Errorf("reading the answer: %w", err)
}
