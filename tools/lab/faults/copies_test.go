package faults

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// copyOf is a running container of a service.
type copyOf struct {
	domain, id, slot string
	made             time.Time
	host             *hosts.Host
}

// askTime is how long an engine has to answer.
const askTime = 5 * time.Second

// running lists the running containers on a host that have a domain and a slot; an engine that hangs is an error.
func running(ctx context.Context, h *hosts.Host) (copies []copyOf, all map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	found, err := h.Docker().ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return nil, nil, err
	}
	all = map[string]bool{}
	for _, c := range found {
		all[c.ID] = true
		slot := c.Labels["io.fairlead.slot"]
		if task := strings.Split(c.Labels["com.docker.swarm.task.name"], "."); len(task) == 3 {
			slot = task[1]
		}
		copies = append(copies, copyOf{domain: cmp.Or(c.Labels["SERVICE_NAME"], c.Labels["io.fairlead.domain"]), id: c.ID, slot: slot, made: time.Unix(c.Created, 0), host: h})
	}
	return copies, all, nil
}

// copies lists the running containers of a domain on all hosts.
func (w *ward) copies(t *testing.T, domain string) (all []copyOf) {
	t.Helper()
	for _, h := range w.Hosts {
		if !h.On() {
			continue
		}
		found, _, err := running(t.Context(), h)
		if err != nil {
			continue // its engine hangs
		}
		for _, c := range found {
			if c.domain == domain {
				all = append(all, c)
			}
		}
	}
	return all
}

// one returns a running copy of a domain.
func (w *ward) one(t *testing.T, domain string) (c copyOf) {
	t.Helper()
	w.until(t, "a running copy of "+domain, slack, func() bool {
		copies := w.copies(t, domain)
		if len(copies) > 0 {
			c = copies[0]
		}
		return len(copies) > 0
	})
	return c
}

// but counts the copies of a domain that run on other hosts than one.
func (w *ward) but(t *testing.T, h *hosts.Host, domain string) (n int) {
	t.Helper()
	for _, c := range w.copies(t, domain) {
		if c.host != h {
			n++
		}
	}
	return n
}

// pid returns the number of a container's first process on its host.
func (c *copyOf) pid(t *testing.T) int {
	t.Helper()
	is, err := c.host.Docker().ContainerInspect(t.Context(), c.id)
	if err != nil {
		t.Fatal(err)
	}
	return is.State.Pid
}

// lives reports whether a container's process is there: a list may show one that has just died.
func (c *copyOf) lives(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	is, err := c.host.Docker().ContainerInspect(ctx, c.id)
	if err != nil || !is.State.Running {
		return false
	}
	_, err = c.host.Run(ctx, "sh", "-c", fmt.Sprintf("kill -0 %d", is.State.Pid))
	return err == nil
}

// kill9 kills a container's process as the kernel would, past the engine.
func (c *copyOf) kill9(t *testing.T) {
	t.Helper()
	if out, err := c.host.Run(t.Context(), "sh", "-c", fmt.Sprintf("kill -9 %d", c.pid(t))); err != nil {
		t.Fatal(err, out)
	}
}

// labelled finds the containers with a label, running or not.
func labelled(ctx context.Context, h *hosts.Host, label string) ([]container.Summary, error) {
	return h.Docker().ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
}
