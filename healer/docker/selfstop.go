package docker

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
)

// SelfStopper stops the containers of this host that asked for it when the host's Consul agent has known no leader for as long as they
// say: the host is cut off then, and others may be about to replace them. It needs nobody's order, since none would arrive.
type SelfStopper struct {
	Engine Engine
	// Containers returns those that run and asked for it, by full ID, and the time without a leader after which each is stopped.
	Containers func() map[string]time.Duration
	// HasLeader asks the agent, at once; an agent that does not answer until its context ends has none.
	HasLeader func(context.Context) bool
	// Every is the time between two questions (1 s), Timeout that for one answer (5 s).
	Every, Timeout time.Duration
	// Logger is told of every stop; nil discards.
	Logger *slog.Logger

	mu       sync.Mutex
	stopping map[string]bool
	failed   map[string]string // the last error by container, told once
}

// Run watches until ctx ends. It is called once.
func (s *SelfStopper) Run(ctx context.Context) error {
	every, timeout := cmp.Or(s.Every, time.Second), cmp.Or(s.Timeout, 5*time.Second)
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	s.stopping, s.failed = map[string]bool{}, map[string]string{}
	var stops sync.WaitGroup
	defer stops.Wait()
	agent := contact{stall: 3 * (every + timeout)}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		asking := s.Containers()
		if len(asking) == 0 && !agent.lost() {
			continue
		}
		within, cancel := context.WithTimeout(ctx, timeout)
		leader := s.HasLeader(within)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		before := agent.lost()
		without := agent.note(time.Now(), leader)
		if agent.lost() != before {
			s.tell(agent.lost(), len(asking))
		}
		for id, after := range asking {
			if agent.lost() && without >= after && s.begin(id) {
				stops.Go(func() { s.stop(ctx, id, without) })
			}
		}
	}
}

func (s *SelfStopper) tell(lost bool, containers int) {
	if lost {
		s.Logger.Warn("Consul knows no leader, or does not answer: containers with SERVICE_SELF_STOP are stopped unless that ends in time",
			"containers", containers)
		return
	}
	s.Logger.Info("Consul knows a leader again: no container is stopped any more")
}

// begin reports whether a container is not being stopped yet.
func (s *SelfStopper) begin(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping[id] {
		return false
	}
	s.stopping[id] = true
	return true
}

// stop stops one container. Its clients cannot be sent elsewhere first, as that takes Consul. What fails is tried again.
func (s *SelfStopper) stop(ctx context.Context, id string, without time.Duration) {
	err := Halter{Engine: s.Engine}.Stop(ctx, id, func(container.InspectResponse) error { return nil })
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stopping, id)
	switch {
	case err == nil:
		delete(s.failed, id)
		s.Logger.Warn("container stopped, as its SERVICE_SELF_STOP says", "container", short(id), "without_leader", without.Round(time.Second))
	case ctx.Err() == nil && s.failed[id] != err.Error():
		s.failed[id] = err.Error()
		s.Logger.Error("container not stopped, trying again", "container", short(id), "error", err)
	}
}

// contact is what is known of the agent's leader.
type contact struct {
	// stall is the longest time between two questions that still count as asking without a break.
	stall time.Duration

	known bool      // there was a leader in this life: one who never had any may just be configured wrongly
	asked time.Time // last
	since time.Time // it was first seen that there is none; zero while there is one
}

// lost reports whether there was a leader and is none.
func (c *contact) lost() bool { return !c.since.IsZero() }

// note takes in an answer and returns for how long without a break there has been no leader. The time in which nobody asked, because
// this process or its host stood still, says nothing of Consul and begins anew.
func (c *contact) note(now time.Time, leader bool) time.Duration {
	stood := now.Sub(c.asked) > c.stall
	c.asked = now
	switch {
	case leader:
		c.known, c.since = true, time.Time{}
		return 0
	case !c.known:
		return 0
	case c.since.IsZero() || stood:
		c.since = now
	}
	return now.Sub(c.since)
}
