package docker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Config are the settings of a Runtime. What is zero takes its default.
type Config struct {
	Engine Engine
	// Node is the host's name: a service whose run.host is another one is refused. The engine's own name if empty.
	Node string
	// Owner tells this Fairlead's containers from those of another one on the same engine ("fairlead").
	Owner string
	// Publish is the address that ports are published on, such as 127.0.0.1; every address of the host if empty.
	Publish string
	// PullTimeout is how long an image may take to arrive (5 minutes).
	PullTimeout time.Duration
	// Restarts is how often the engine itself starts a container again that failed (0): restart policy on-failure:N. Policies without
	// an end would keep alive what has been replaced.
	Restarts int
	// RegistryAuth returns the credentials for an image's registry, as the engine takes them in X-Registry-Auth; nil or "" for none.
	RegistryAuth func(image string) (string, error)
	// Leave makes clients leave a container that is about to be stopped, and returns when they had time to; nil does nothing. If it
	// fails, the container goes on.
	Leave func(ctx context.Context, container string) error
	// Logger is told what is no error of an action; nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Owner = cmp.Or(c.Owner, defaultOwner)
	c.PullTimeout = cmp.Or(c.PullTimeout, 5*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	if c.Publish != "" {
		if _, err := netip.ParseAddr(c.Publish); err != nil {
			return fmt.Errorf("the address to publish ports on: %w", err)
		}
	}
	if c.Restarts < 0 {
		return fmt.Errorf("a container cannot be restarted %d times", c.Restarts)
	}
	return nil
}
