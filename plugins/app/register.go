package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/fairlead/fairlead/discovery/docker"
	"github.com/fairlead/fairlead/discovery/registrar"
)

// Register keeps the running containers of one Docker engine registered in Consul.
type Register struct {
	// The engine, and what of its containers counts.
	Docker

	// The cluster in whose first Consul agent they are registered, which must be this host's. Default: the first cluster.
	Cluster string `json:"cluster,omitempty"`

	// What marks the registrations as ours. Two of these on one agent need different ones. Default: `fairlead`.
	Owner string `json:"owner,omitempty"`

	// Allows SERVICE_CHECK_SCRIPT and SERVICE_CHECK_CMD: whoever starts a container then runs commands on this host.
	Scripts bool `json:"scripts,omitempty"`

	// How often the engine is compared with the agent while nothing changes. Default: 30s.
	Resync caddy.Duration `json:"resync,omitempty"`

	// How long after the start registrations of ours without a container are left alone. Default: 60s.
	Probation caddy.Duration `json:"probation,omitempty"`

	// How long clients get to leave a container that an order is about to stop. Default: 5s.
	StopWait caddy.Duration `json:"stop_wait,omitempty"`

	// The read-only door to the containers' logs and statistics; none without it.
	Logs *Logs `json:"logs,omitempty"`
}

// registerSpec says what a registration is made of. Two that are equal are one.
type registerSpec struct {
	node     string
	source   docker.Config
	agent    registrar.Config
	stopWait time.Duration
	cluster  int       // index of its catalog
	logs     *logsSpec // nil for none
}

// addRegister resolves one registration.
func (c *Config) addRegister(s *spec, from *Register) error {
	index := 0
	if from.Cluster != "" {
		for index = 0; index < len(s.catalogs) && s.catalogs[index].cluster != from.Cluster; index++ {
		}
		if index == len(s.catalogs) {
			return fmt.Errorf("register: no cluster is called %s", from.Cluster)
		}
	}
	catalog := &s.catalogs[index]
	if len(catalog.consul) == 0 {
		return fmt.Errorf("register: cluster %s has no Consul to register in", catalog.cluster)
	}
	if len(catalog.docker) > 0 {
		return fmt.Errorf("register: cluster %s would have the same containers from Docker and from Consul: leave its docker out", catalog.cluster)
	}
	source, err := from.Docker.config(catalog.cluster)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	source.Interval = time.Duration(from.Resync)
	agent := catalog.consul[0]
	r := registerSpec{cluster: index, node: source.Node, source: source, stopWait: orDefault(from.StopWait, 5*time.Second)}
	r.agent = registrar.Config{
		Address: agent.Address, Token: agent.Token, TokenFile: agent.TokenFile, TLS: agent.TLS, Owner: from.Owner, Scripts: from.Scripts,
		Resync: time.Duration(from.Resync), Probation: time.Duration(from.Probation),
	}
	if len(source.Advertise) > 0 {
		r.agent.Advertise = source.Advertise[0].String()
	}
	if r.node == "" {
		if r.node, err = os.Hostname(); err != nil {
			return fmt.Errorf("register: %w; name the host with node", err)
		}
	}
	if _, err := registrar.New(r.agent); err != nil {
		return err
	}
	if r.logs, err = from.Logs.spec(&r); err != nil {
		return fmt.Errorf("register: logs: %w", err)
	}
	s.registers = append(s.registers, r)
	return nil
}

// key names what a registration is made of. It holds resolved secrets, and stays in memory.
func (r *registerSpec) key(catalog *catalogSpec) string {
	key, err := json.Marshal(struct {
		Node, Catalog string
		Source        docker.Config
		Agent         registrar.Config
		StopWait      time.Duration
		Logs          *logsSpec
	}{r.node, catalog.key(), r.source, r.agent, r.stopWait, r.logs})
	if err != nil {
		panic(fmt.Sprintf("a registration's configuration is plain data: %v", err))
	}
	return string(key)
}

// open makes the registrar and its executor of orders, and runs them.
func (r *registerSpec) open(cluster *runningCatalog, authorities map[string]*authority) (caddy.Destructor, error) {
	log := slog.New(processLog).With("cluster", r.source.Cluster)
	r.source.Logger, r.agent.Logger = log, log
	source, err := docker.New(r.source)
	if err != nil {
		return nil, err
	}
	made, err := registrar.New(r.agent)
	if err != nil {
		return nil, err
	}
	h := &host{node: r.node, engine: r.source.Host, registrar: made, containers: newContainers(source), stopWait: r.stopWait}
	if r.logs != nil {
		if h.door, err = r.logs.open(r, h.containers, authorities, log); err != nil {
			return nil, fmt.Errorf("logs %s: %w", r.logs.Listen, err)
		}
	}
	h.runner = start("registrar of "+r.source.Host, h.running(cluster, r.source.Host, cmp.Or(r.agent.Owner, "fairlead"), log))
	return h, nil
}

// unmarshal reads a registration:
//
//	register docker [HOST] {
//		cluster NAME
//		owner NAME
//		scripts
//		resync DURATION
//		probation DURATION
//		stop_wait DURATION
//		logs ADDRESS { … }
//		…
//	}
//
// The rest is as in a cluster's docker.
func (r *Register) unmarshal(d *caddyfile.Dispenser) error {
	if !d.NextArg() || d.Val() != "docker" {
		return d.Err("register wants docker, and what of its containers is registered")
	}
	if d.NextArg() {
		r.Host = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := r.unmarshalLine(d); err != nil {
			return err
		}
	}
	if len(r.Advertise) == 0 && !r.Internal {
		return d.WrapErr(errors.New("register docker wants advertise ADDRESS: the address at which others reach this host's published ports"))
	}
	return nil
}

func (r *Register) unmarshalLine(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "cluster":
		return word(d, &r.Cluster)
	case "owner":
		return word(d, &r.Owner)
	case "scripts":
		return flag(d, &r.Scripts)
	case "resync":
		return duration(d, &r.Resync)
	case "probation":
		return duration(d, &r.Probation)
	case "stop_wait":
		return duration(d, &r.StopWait)
	case "logs":
		r.Logs = new(Logs)
		return r.Logs.unmarshal(d)
	}
	return r.Docker.unmarshalLine(d)
}
