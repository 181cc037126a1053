package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/consul"
	"github.com/fairlead/fairlead/discovery/docker"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/discovery/static"
	"github.com/fairlead/fairlead/proxy"
)

// What outlives a configuration, counted by the configurations that use it. Equal keys are the same thing.
var (
	catalogs = caddy.NewUsagePool() // of *runningCatalog by catalogSpec.key
	shareds  = caddy.NewUsagePool() // one *runningShared
	hosts    = caddy.NewUsagePool() // of *host by registerSpec.key
	healings = caddy.NewUsagePool() // of *healing by healSpec.key
)

// runner is something that runs for as long as it is in its pool.
type runner struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// start runs run in the background until Destruct.
func start(name string, run func(context.Context) error) runner {
	ctx, cancel := context.WithCancel(context.Background())
	r := runner{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			slog.New(processLog).Error("ended", "part", name, "error", err)
		}
	}()
	return r
}

// Destruct implements caddy.Destructor: it ends the run and waits for its end.
func (r runner) Destruct() error {
	r.cancel()
	<-r.ended
	return nil
}

// runningCatalog is a catalog with the documents of its cluster.
type runningCatalog struct {
	runner
	*discovery.Catalog
	state  state.KV
	consul *consul.Source // the first agent, nil without one
}

// key names what the catalog is made of. It holds resolved secrets, and stays in memory.
func (c *catalogSpec) key() string {
	key, err := json.Marshal(struct {
		Cluster, Dir string
		Consul       []consul.Config
		Docker       []docker.Config
		Files        []File
		Hold         time.Duration
	}{c.cluster, c.dir, c.consul, c.docker, c.files, c.hold})
	if err != nil {
		panic(fmt.Sprintf("a catalog's configuration is plain data: %v", err))
	}
	return string(key)
}

// open makes the catalog and runs it.
func (c *catalogSpec) open() (caddy.Destructor, error) {
	log := slog.New(processLog)
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cluster %s: making the state folder: %w", c.cluster, err)
	}
	opened := &runningCatalog{}
	var sources []discovery.Source
	for _, config := range c.consul {
		config.Logger = log
		source, err := consul.New(config)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.cluster, err)
		}
		if opened.state == nil {
			opened.state, opened.consul = source.KV(), source
		}
		sources = append(sources, source)
	}
	for _, config := range c.docker {
		config.Logger = log
		source, err := docker.New(config)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.cluster, err)
		}
		sources = append(sources, source)
	}
	for _, file := range c.files {
		sources = append(sources, static.New(c.cluster, file.Path, time.Duration(file.Poll), log))
	}
	if opened.state == nil {
		opened.state = state.NewFile(c.documentsFile())
	}
	options := c.options()
	options.Logger = log
	opened.Catalog = discovery.NewCatalog(c.cluster, sources, options)
	if err := opened.Restore(); err != nil {
		log.Error("snapshot file not restored", "cluster", c.cluster, "error", err)
	}
	opened.runner = start("catalog "+c.cluster, opened.Run)
	return opened, nil
}

// runningShared is the part of a process that its edges share.
type runningShared struct {
	runner
	*proxy.Shared
}

func openShared() (caddy.Destructor, error) {
	s := proxy.NewShared(proxy.SharedOptions{})
	return &runningShared{runner: start("shared", s.Run), Shared: s}, nil
}
