package swarm

import (
	"cmp"
	"context"
	"time"

	"github.com/fairlead/fairlead/healer/docker"
)

// Stopper stops containers on other hosts, through their agents.
type Stopper interface {
	Stop(ctx context.Context, node, containerID, reason string) error
}

var _ Stopper = (*docker.Sender)(nil)

// Config are the settings of a Runtime. What is zero takes its default.
type Config struct {
	// Engine is a manager of the swarm.
	Engine docker.Engine
	// Stopper stops tasks' containers through the agents of their hosts; nil refuses those that are not on Engine.
	Stopper Stopper
	// Leave makes clients leave a container on Engine that is about to be stopped, and returns when they had time to; nil where this
	// process is not Engine's agent.
	Leave func(ctx context.Context, container string) error
	// Lately is how long a task that ended is shown among the copies, for the reason why it ended (10 minutes).
	Lately time.Duration
}

func (c Config) withDefaults() Config {
	c.Lately = cmp.Or(c.Lately, 10*time.Minute)
	return c
}
