package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/go-connections/nat"
	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

const (
	// pause is the time between an answer and the next request.
	pause = 2 * time.Millisecond
	// slowest is how long a change may take before the run is given up.
	slowest = 20 * time.Second
	// last is how many answers in a row must show that a domain is gone.
	last = 3
)

// life is what one container's took: from Docker's start event, and from the return of the kill.
type life struct{ registered, served, gone time.Duration }

// live starts the n-th container of a part, waits until it is served, kills it, waits until it is gone, and removes it.
func (s *stage) live(ctx context.Context, n int, p part) (l life, err error) {
	domain := fmt.Sprintf("c%d-%s.example.com", n, s.Suffix)
	id, err := s.create(ctx, domain, p.check)
	if err != nil {
		return l, err
	}
	before := time.Now()
	group, within := errgroup.WithContext(ctx)
	var registered, served time.Time
	if !p.local {
		group.Go(func() (err error) {
			registered, err = s.registered(within, domain)
			return err
		})
	}
	if err := s.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return l, fmt.Errorf("starting a container: %w", err)
	}
	group.Go(func() (err error) {
		served, err = s.answers(within, domain, http.StatusOK, 1)
		return err
	})
	if err := group.Wait(); err != nil {
		return l, err
	}
	started, err := s.started(ctx, id, before)
	if err != nil {
		return l, err
	}
	if err := s.ContainerKill(ctx, id, "KILL"); err != nil {
		return l, fmt.Errorf("killing a container: %w", err)
	}
	killed := time.Now()
	gone, err := s.answers(ctx, domain, http.StatusNotFound, last)
	if err != nil {
		return l, err
	}
	if err := s.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}); err != nil {
		return l, fmt.Errorf("removing a container: %w", err)
	}
	return life{registered: registered.Sub(started), served: served.Sub(started), gone: gone.Sub(killed)}, nil
}

// create makes a container that serves a domain on a random port of the host. It is not broken off by ctx: an engine that nobody waits
// for any more might make the container when all others have been removed.
func (s *stage) create(ctx context.Context, domain string, check time.Duration) (id string, err error) {
	labels := map[string]string{label: s.Suffix, "SERVICE_NAME": domain}
	if check > 0 {
		labels["SERVICE_CHECK_HTTP"], labels["SERVICE_CHECK_INTERVAL"] = "/", check.String()
	}
	made, err := s.ContainerCreate(context.WithoutCancel(ctx), &container.Config{Image: s.image, Labels: labels, ExposedPorts: nat.PortSet{"8080/tcp": {}}},
		&container.HostConfig{PublishAllPorts: true}, nil, nil, "")
	if err != nil {
		return "", fmt.Errorf("making a container: %w", err)
	}
	return made.ID, nil
}

// registered returns when Consul's catalogue has the domain, whatever its check says.
func (s *stage) registered(ctx context.Context, domain string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	for index := uint64(0); ; {
		entries, meta, err := s.agent.Client().Health().Service(domain, "", false, (&api.QueryOptions{WaitIndex: index}).WithContext(ctx))
		switch {
		case err != nil:
			return time.Time{}, fmt.Errorf("waiting for %s in Consul: %w", domain, err)
		case len(entries) > 0:
			return time.Now(), nil
		}
		index = meta.LastIndex
	}
}

// answers returns when the edge began to answer with a status, and did so for so many times in a row.
func (s *stage) answers(ctx context.Context, domain string, status, times int) (since time.Time, err error) {
	late := time.Now().Add(slowest)
	for seen := 0; seen < times; time.Sleep(pause) {
		got, err := s.client.Status(domain)
		switch {
		case err != nil:
			return since, err
		case got != status:
			seen = 0
		case seen == 0:
			since, seen = time.Now(), 1
		default:
			seen++
		}
		if ctx.Err() != nil {
			return since, ctx.Err()
		}
		if time.Now().After(late) {
			return since, fmt.Errorf("%s gets %d, not %d, after %s", domain, got, status, slowest)
		}
	}
	return since, nil
}

// started returns when the engine says that a container started, which was after before.
func (s *stage) started(ctx context.Context, id string, before time.Time) (time.Time, error) {
	messages, ended := s.Events(ctx, events.ListOptions{
		Since: before.Format(time.RFC3339Nano), Until: time.Now().Format(time.RFC3339Nano),
		Filters: filters.NewArgs(filters.Arg("container", id), filters.Arg("event", string(events.ActionStart))),
	})
	select {
	case m := <-messages:
		return time.Unix(0, m.TimeNano), nil
	case err := <-ended:
		return time.Time{}, fmt.Errorf("looking for the start of a container among the engine's events: %w", err)
	}
}
