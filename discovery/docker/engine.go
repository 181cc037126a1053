package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// engine asks the Docker engine, with a time-out on every request. The version of the API is agreed on anew after every failure: what
// answers next may be another version of the engine.
type engine struct {
	options []client.Opt
	timeout time.Duration

	mu     sync.Mutex
	client *client.Client // nil until the engine has answered
}

func newEngine(c Config) (*engine, error) {
	options := []client.Opt{client.WithHost(c.Host), client.WithAPIVersionNegotiation()}
	if c.TLS != (TLS{}) {
		options = append(options, client.WithTLSClientConfig(c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile))
	}
	// Made to be thrown away: it tells now what would never work.
	trial, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("docker: host %s: %w", c.Host, err)
	}
	return &engine{options: options, timeout: c.Timeout}, trial.Close()
}

// connect returns a client that has agreed with the engine on a version of the API. Its errors are Advised.
func (e *engine) connect(ctx context.Context) (*client.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	c, err := client.NewClientWithOpts(e.options...)
	if err != nil {
		return nil, err
	}
	ping, err := c.Ping(ctx)
	if err == nil && ping.APIVersion == "" {
		err = errors.New("the answer names no API version: is this a Docker engine?")
	}
	if err != nil {
		c.Close()
		return nil, Advised(err)
	}
	c.NegotiateAPIVersionPing(ping)
	e.client = c
	return c, nil
}

// drop forgets the client, unless another one has taken its place.
func (e *engine) drop(c *client.Client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c != nil && e.client == c {
		e.client = nil
		c.Close()
	}
}

// close ends the idle connections.
func (e *engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		e.client.Close()
	}
}

// ask sends one request; what says in an error what it was about.
func ask[T any](ctx context.Context, e *engine, what string, do func(context.Context, *client.Client) (T, error)) (T, error) {
	within, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	var answer T
	c, err := e.connect(within)
	if err == nil {
		answer, err = do(within, c)
		err = Advised(err)
	}
	if err == nil {
		return answer, nil
	}
	if within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %s", e.timeout)
	}
	return answer, fmt.Errorf("%s: %w", what, err)
}

// containers lists the containers that run. A failure makes the next request agree on a version anew.
func (e *engine) containers(ctx context.Context) ([]api.Summary, error) {
	var used *client.Client
	list, err := ask(ctx, e, "listing the containers", func(ctx context.Context, c *client.Client) ([]api.Summary, error) {
		used = c
		return c.ContainerList(ctx, api.ListOptions{})
	})
	if err != nil {
		e.drop(used)
	}
	return list, err
}

// container returns a container, nil if there is none of that ID.
func (e *engine) container(ctx context.Context, id string) (*container, error) {
	r, err := ask(ctx, e, "inspecting a container", func(ctx context.Context, c *client.Client) (api.InspectResponse, error) {
		return c.ContainerInspect(ctx, id)
	})
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readContainer(r)
}

// isGone reports whether the engine says that there is no such thing.
func isGone(err error) bool { return errdefs.IsNotFound(err) }

// name returns the engine's name, which is its host's.
func (e *engine) name(ctx context.Context) (string, error) {
	return ask(ctx, e, "asking for the engine's name", func(ctx context.Context, c *client.Client) (string, error) {
		info, err := c.Info(ctx)
		if err == nil && info.Name == "" {
			err = errors.New("it has none: give the node's name")
		}
		return info.Name, err
	})
}

// bridges returns the subnets of the engine's bridge networks.
func (e *engine) bridges(ctx context.Context) ([]netip.Prefix, error) {
	networks, err := ask(ctx, e, "listing the networks", func(ctx context.Context, c *client.Client) ([]network.Summary, error) {
		return c.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("driver", "bridge"))})
	})
	var subnets []netip.Prefix
	for _, n := range networks {
		for _, c := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil && n.Driver == "bridge" {
				subnets = append(subnets, p)
			}
		}
	}
	return subnets, err
}
