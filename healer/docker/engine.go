package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/docker/docker/client"

	dockersource "github.com/fairlead/fairlead/discovery/docker"
)

// ErrNoAnswer: the engine did not answer in time, so that what it runs, or whether it did what it was told, is unknown.
var ErrNoAnswer = errors.New("the engine gave no answer in time")

// Engine is one Docker engine.
type Engine struct {
	// Host is where it listens ("unix:///var/run/docker.sock"); what DOCKER_HOST says, or the usual socket, if empty.
	Host string
	// Timeout is how long one answer may take (10 s). Pulling an image and a container's own time to stop come on top.
	Timeout time.Duration
}

// String names the engine for operators.
func (e Engine) String() string {
	return "docker " + cmp.Or(e.Host, os.Getenv(client.EnvOverrideHost), client.DefaultDockerHost)
}

// Limit is the time one answer may take.
func (e Engine) Limit() time.Duration { return cmp.Or(e.Timeout, 10*time.Second) }

// Open returns a client for one operation; the caller closes it. A client settles on an API version once and keeps it, so that one
// kept for longer would be refused by the engine that an upgrade brings.
func (e Engine) Open() (*client.Client, error) {
	options := []client.Opt{client.FromEnv}
	if e.Host != "" {
		options = append(options, client.WithHost(e.Host))
	}
	c, err := client.NewClientWithOpts(append(options, client.WithAPIVersionNegotiation())...)
	if err != nil {
		return nil, fmt.Errorf("%s: the address cannot be used: %w", e, err)
	}
	return c, nil
}

// Ask runs one question or command, which may take Limit and extra. What the engine answered comes back as it is, with advice if no
// connection came about; silence is ErrNoAnswer.
func (e Engine) Ask(ctx context.Context, what string, extra time.Duration, f func(ctx context.Context) error) error {
	limit := e.Limit() + extra
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %s: given up, the outcome is unknown: %w", e, what, ctx.Err())
	case limited.Err() != nil:
		return fmt.Errorf("%s: %s: unknown: %w (%s)", e, what, ErrNoAnswer, limit)
	}
	return fmt.Errorf("%s: %s: %w", e, what, dockersource.Advised(err))
}
