package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/registrar"
	dockerruntime "github.com/fairlead/fairlead/healer/docker"
)

// host is what acts for one Docker engine: its containers are registered, and orders left for it in the shared state are carried out.
type host struct {
	runner
	node       string
	engine     string // its address
	registrar  *registrar.Registrar
	containers *containers
	stopWait   time.Duration
	door       *door // to logs, nil for none
}

func (h *host) running(cluster *runningCatalog, engine, owner string, log *slog.Logger) func(context.Context) error {
	orders := &dockerruntime.Executor{
		KV: cluster.state, Node: h.node, Engine: dockerruntime.Engine{Host: engine}, Owner: owner, Logger: log,
		HasLeader: func() bool { return h.registrar.Status().Agent.Leader },
		Leave:     h.leave, Drain: h.drain, Undrain: h.undrain,
	}
	guard := &dockerruntime.SelfStopper{
		Engine: orders.Engine, Containers: h.containers.selfStopping, HasLeader: h.registrar.HasLeader, Logger: log,
	}
	return func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return guard.Run(ctx) })
		group.Go(func() error { return h.registrar.Run(ctx, h.containers) })
		group.Go(func() error { return orders.Run(ctx) })
		if h.door != nil {
			group.Go(func() error {
				if err := h.door.run(ctx); ctx.Err() == nil {
					log.Error("the door to logs is closed, the rest goes on", "error", err)
				}
				return nil
			})
		}
		return group.Wait()
	}
}

// leave makes the clients of a container leave it, and gives them the time to.
func (h *host) leave(ctx context.Context, container string) error {
	services := h.containers.services(container)
	if len(services) == 0 {
		return nil
	}
	if err := h.registrar.Drain(ctx, services, "the container is about to be stopped"); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(h.stopWait):
		return nil
	}
}

func (h *host) drain(ctx context.Context, o discovery.Order) error {
	return h.registrar.Drain(ctx, h.containers.services(""), "host drained by "+o.Author+": "+o.Reason)
}

func (h *host) undrain(ctx context.Context, _ discovery.Order) error {
	return h.registrar.Undrain(ctx, h.containers.services(""))
}

// containers is a source that remembers which services are whose.
type containers struct {
	discovery.Source

	mu    sync.Mutex
	known map[string]*discovery.Service

	// own is an instance of this process itself that is registered beside them, nil for none. It is set before Run.
	own *discovery.Instance
}

func newContainers(s discovery.Source) *containers {
	return &containers{Source: s, known: map[string]*discovery.Service{}}
}

// Run implements discovery.Source.
func (c *containers) Run(ctx context.Context, known map[string]*discovery.Service, report func(discovery.Update)) error {
	return c.Source.Run(ctx, known, func(u discovery.Update) {
		c.note(u)
		report(c.withOwn(u))
	})
}

func (c *containers) note(u discovery.Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.Complete {
		clear(c.known)
	}
	for name, service := range u.Services {
		c.known[name] = service
	}
}

// withOwn adds the instance of this process to what is reported.
func (c *containers) withOwn(u discovery.Update) discovery.Update {
	if c.own == nil || !u.Complete && u.Services[c.own.Service] == nil {
		return u
	}
	joined := &discovery.Service{Name: c.own.Service}
	if others := u.Services[c.own.Service]; others != nil {
		joined.Instances = append(joined.Instances, others.Instances...)
	}
	joined.Instances = append(joined.Instances, *c.own)
	u.Services = maps.Clone(u.Services)
	if u.Services == nil {
		u.Services = map[string]*discovery.Service{}
	}
	u.Services[c.own.Service] = joined
	return u
}

// names returns the services as which a container is registered.
func (c *containers) names(container string) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, service := range c.known {
		if service != nil && slices.ContainsFunc(service.Instances, func(i discovery.Instance) bool { return i.Meta[discovery.MetaContainer] == container }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// selfStopping returns the containers that are to be stopped when there is no Consul leader, and after what time each: the shortest that
// its instances say.
func (c *containers) selfStopping() map[string]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]time.Duration{}
	for _, service := range c.known {
		for i := range service.Instances {
			is := &service.Instances[i]
			after, err := discovery.SelfStop(is.Meta)
			id := is.Meta[discovery.MetaContainer]
			if err == nil && after > 0 && id != "" && (all[id] == 0 || after < all[id]) { // of an error the registrar tells
				all[id] = after
			}
		}
	}
	return all
}

// services returns the service IDs of a container's instances, of all containers if it is empty.
func (c *containers) services(container string) (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, service := range c.known {
		for i := range service.Instances {
			if is := &service.Instances[i]; container == "" || is.Meta[discovery.MetaContainer] == container {
				ids = append(ids, is.ServiceID)
			}
		}
	}
	return ids
}

var _ discovery.Source = (*containers)(nil)
