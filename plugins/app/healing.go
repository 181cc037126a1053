package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/discovery/consul"
	dockersource "github.com/fairlead/fairlead/discovery/docker"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/healer/docker"
	"github.com/fairlead/fairlead/healer/notify"
	"github.com/fairlead/fairlead/healer/swarm"
)

// healing is a running healer: one supervisor for each cluster, over one desired file.
type healing struct {
	runner
	desired     *healer.DesiredFile
	supervisors []*healer.Supervisor
	notifier    *notify.Notifier // nil without receivers
}

// open returns what people have been told of and is not over, in all clusters.
func (h *healing) open() (notices []healer.Notice, all, known bool) {
	all = true
	for _, s := range h.supervisors {
		own, ownAll, ownKnown := s.Open()
		if !ownKnown {
			return nil, false, false
		}
		notices, all = append(notices, own...), all && ownAll
	}
	return notices, all, true
}

// healLock lets one healing act at a time in a process: on a reload the new one waits for the end of the old one.
var healLock = make(chan struct{}, 1)

// lockKey is where the healers of a cluster agree on who tries.
const lockKey = "fairlead/healer/lock"

// open makes the supervisors and runs them.
func (h *healSpec) open(catalogs []catalogSpec, clusters []*runningCatalog, engines []*host) (caddy.Destructor, error) {
	log := slog.New(processLog)
	var names []string
	for i := range catalogs {
		names = append(names, catalogs[i].cluster)
	}
	var tell healer.Notifier
	made := &healing{desired: healer.NewDesiredFile(h.desired, names, h.poll, log)}
	if len(h.notify.Receivers) > 0 && !h.dryRun {
		config := h.notify
		config.Logger, config.Matters = log, made.open
		notifier, err := notify.New(config)
		if err != nil {
			return nil, err
		}
		made.notifier, tell = notifier, notifier
	}
	var locks []*consul.Lock
	for i, cluster := range clusters {
		orders := &docker.Sender{KV: cluster.state, Author: "healer at " + holderName()}
		runtimes, placer, err := h.runtimes(orders, engines, log)
		if err != nil {
			return nil, err
		}
		o := healer.Options{
			Cluster: names[i], Catalog: cluster.Catalog, State: cluster.state, Desired: made.desired, Runtime: runtimes,
			Placer: placer, Agents: orders, Policy: h.policy, Notifier: tell, DryRun: h.dryRun, Logger: log,
		}
		if cluster.consul != nil && !h.dryRun {
			lock := cluster.consul.Lock(lockKey, holderName(), h.lock)
			locks, o.Lock = append(locks, lock), lock
		}
		made.supervisors = append(made.supervisors, healer.New(o))
	}
	made.runner = start("healer", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case healLock <- struct{}{}:
			defer func() { <-healLock }()
		}
		return made.run(ctx, locks)
	})
	return made, nil
}

// run runs all of it until ctx ends; what tells people ends last.
func (h *healing) run(ctx context.Context, locks []*consul.Lock) error {
	telling, silence := context.WithCancel(context.WithoutCancel(ctx))
	var told errgroup.Group
	if h.notifier != nil {
		told.Go(func() error { return h.notifier.Run(telling) })
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.desired.Run(ctx) })
	for _, lock := range locks {
		group.Go(func() error { return lock.Run(ctx) })
	}
	for _, s := range h.supervisors {
		group.Go(func() error { return s.Run(ctx) })
	}
	err := group.Wait()
	silence()
	_ = told.Wait() // it ends because it was told to
	return err
}

// runtimes returns what chooses the runtime of a service of a cluster, and what places copies on hosts, if anything does.
func (h *healSpec) runtimes(orders *docker.Sender, engines []*host, log *slog.Logger) (func(*healer.Service) (healer.Runtime, error), healer.Placer, error) {
	leave := func(ctx context.Context, container string) error {
		for _, engine := range engines {
			if err := engine.leave(ctx, container); err != nil {
				return err
			}
		}
		return nil
	}
	var ofSwarm, plain healer.Runtime
	var placer healer.Placer
	if h.swarm != nil {
		c := *h.swarm
		c.Stopper = orders
		if slices.ContainsFunc(engines, func(e *host) bool { return e.engine == cmp.Or(h.swarm.Engine.Host, dockersource.DefaultHost) }) {
			c.Leave = leave
		}
		made, err := swarm.New(c)
		if err != nil {
			return nil, nil, err
		}
		ofSwarm, placer = made, made
	}
	if h.docker != nil {
		c := *h.docker
		c.Leave, c.Logger = leave, log
		made, err := docker.New(c)
		if err != nil {
			return nil, nil, err
		}
		plain = made
	}
	return func(s *healer.Service) (healer.Runtime, error) {
		switch {
		case s.Run.Swarm != "" && ofSwarm != nil:
			return ofSwarm, nil
		case s.Run.Swarm == "" && plain != nil:
			return plain, nil
		case s.Run.Swarm != "":
			return nil, fmt.Errorf("%s is run by Swarm: add runtime swarm to heal", s.Domain)
		}
		return nil, fmt.Errorf("%s is run by a plain engine: add runtime docker to heal", s.Domain)
	}, placer, nil
}

// holderName names this process to people.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}
