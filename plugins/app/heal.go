package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/discovery/consul"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/healer/docker"
	"github.com/fairlead/fairlead/healer/notify"
	"github.com/fairlead/fairlead/healer/swarm"
)

// Heal keeps services at their wanted number of copies.
type Heal struct {
	// The file that says what must be present; see docs/healing.md.
	Desired string `json:"desired,omitempty"`

	// How often the file is looked at. Default: 1s.
	Poll caddy.Duration `json:"poll,omitempty"`

	// What runs containers: one swarm and one plain engine at most.
	Runtimes []*Runtime `json:"runtimes,omitempty"`

	// Who is told of what goes wrong; see docs/notifications.md.
	Notify []*Notify `json:"notify,omitempty"`

	// How often a matter is told again while it lasts. Default: 4h.
	Repeat caddy.Duration `json:"repeat,omitempty"`

	// Only plans, and does nothing.
	DryRun bool `json:"dry_run,omitempty"`

	// The healer's timers and limits by their names, as in docs/healing.md.
	Timers map[string]caddy.Duration `json:"timers,omitempty"`
	Limits map[string]int            `json:"limits,omitempty"`
}

// Runtime is a Docker engine: a manager of a swarm, or one that runs containers by itself.
type Runtime struct {
	// `swarm` or `docker`.
	Kind string `json:"kind,omitempty"`

	// unix:///path or tcp://host:port. Default: unix:///var/run/docker.sock.
	Host string `json:"host,omitempty"`

	// For docker: the name of the engine's host, which services may name in `run.host`. Default: what the engine says.
	Node string `json:"node,omitempty"`

	// For docker: the address that ports are published on. Default: every one of the host.
	Publish string `json:"publish,omitempty"`

	// For docker: how often the engine itself starts a container again that failed. Default: 0.
	Restarts int `json:"restarts,omitempty"`
}

// healSpec says what healing is made of. Two that are equal are one.
type healSpec struct {
	desired string
	poll    time.Duration
	swarm   *swarm.Config
	docker  *docker.Config
	dryRun  bool
	policy  healer.Policy
	lock    consul.LockOptions
	notify  notify.Config
	told    []*Notify // what notify is made from
}

// addHeal resolves the healing.
func (c *Config) addHeal(s *spec, dir string) error {
	if c.Heal == nil {
		return nil
	}
	h := &healSpec{poll: time.Duration(c.Heal.Poll), dryRun: c.Heal.DryRun}
	var err error
	if h.desired, err = caddy.NewReplacer().ReplaceOrErr(c.Heal.Desired, true, true); err != nil {
		return fmt.Errorf("heal: desired: %w", err)
	}
	if h.desired == "" {
		return errors.New("heal: desired FILE says what must be present, and is missing")
	}
	if len(c.Heal.Runtimes) == 0 {
		return errors.New("heal: no runtime: add runtime swarm or runtime docker")
	}
	for _, r := range c.Heal.Runtimes {
		if err := h.addRuntime(r); err != nil {
			return fmt.Errorf("heal: %w", err)
		}
	}
	if h.policy, h.lock, err = c.Heal.policy(); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	if h.notify, err = receivers(c.Heal.Notify, time.Duration(c.Heal.Repeat), filepath.Join(dir, "notifications")); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	h.told = c.Heal.Notify
	s.heal = h
	return nil
}

func (h *healSpec) addRuntime(r *Runtime) error {
	host, err := caddy.NewReplacer().ReplaceOrErr(r.Host, true, true)
	if err != nil {
		return fmt.Errorf("runtime %s: %w", r.Kind, err)
	}
	engine := docker.Engine{Host: host}
	switch {
	case r.Kind == "swarm" && h.swarm == nil:
		h.swarm = &swarm.Config{Engine: engine}
		_, err = swarm.New(*h.swarm)
		return err
	case r.Kind == "docker" && h.docker == nil:
		h.docker = &docker.Config{Engine: engine, Node: r.Node, Publish: r.Publish, Restarts: r.Restarts}
		_, err = docker.New(*h.docker)
		return err
	case r.Kind == "swarm", r.Kind == "docker":
		return fmt.Errorf("runtime %s is given twice", r.Kind)
	}
	return fmt.Errorf("runtime %q: want swarm or docker", r.Kind)
}

// policy returns the timers and limits as given.
func (h *Heal) policy() (p healer.Policy, lock consul.LockOptions, err error) {
	timers, limits := timersOf(&p), limitsOf(&p)
	timers["lock_ttl"], timers["lock_delay"] = &lock.TTL, &lock.Delay
	for name, value := range h.Timers {
		to := timers[name]
		if to == nil || value <= 0 {
			return p, lock, fmt.Errorf("timer %s %s: want a positive duration for one of %v", name, time.Duration(value), names(timers))
		}
		*to = time.Duration(value)
	}
	for name, value := range h.Limits {
		to := limits[name]
		if to == nil || value <= 0 {
			return p, lock, fmt.Errorf("limit %s %d: want a positive number for one of %v", name, value, names(limits))
		}
		*to = value
	}
	if lock.TTL != 0 && lock.TTL < leastLockTTL || lock.Delay > mostLockDelay {
		return p, lock, fmt.Errorf("timers lock_ttl %s, lock_delay %s: Consul wants at least %s and at most %s", lock.TTL, lock.Delay, leastLockTTL, mostLockDelay)
	}
	if ttl, delay := cmp.Or(lock.TTL, consul.LockTTL), cmp.Or(lock.Delay, consul.LockDelay); delay < ttl/2 {
		return p, lock, fmt.Errorf("timers lock_ttl %s, lock_delay %s: want a delay of half the time at least, so that who has lost the lock notices before another has it", ttl, delay)
	}
	return p, lock, nil
}

// What Consul allows (developer.hashicorp.com/consul/api-docs/session).
const (
	leastLockTTL  = 10 * time.Second
	mostLockDelay = time.Minute
)

func timersOf(p *healer.Policy) map[string]*time.Duration {
	return map[string]*time.Duration{
		"warm_up": &p.WarmUp, "deficit_for": &p.DeficitFor, "lost_after": &p.LostAfter, "self_stop_margin": &p.SelfStopMargin, "read_gap": &p.ReadGap, "fleet_clear": &p.FleetClear,
		"backoff_min": &p.BackoffMin, "backoff_max": &p.BackoffMax, "attempts_in": &p.AttemptsIn, "quarantine_for": &p.QuarantineFor,
		"settle_for": &p.SettleFor, "verify": &p.Verify, "act_timeout": &p.ActTimeout, "tick": &p.Tick, "round_gap": &p.RoundGap,
		"observe_timeout": &p.ObserveTimeout, "state_timeout": &p.StateTimeout, "doubt_for": &p.DoubtFor,
	}
}

func limitsOf(p *healer.Policy) map[string]*int {
	return map[string]*int{
		"fleet_min": &p.FleetMin, "fleet_percent": &p.FleetPercent, "per_minute": &p.PerMinute, "parallel": &p.Parallel, "attempts": &p.Attempts,
	}
}

func names[V any](of map[string]V) (list []string) {
	for name := range of {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// key names what the healing is made of, the catalogs and registrations that it works with among it.
func (h *healSpec) key(s *spec) string {
	var keys []string
	for i := range s.catalogs {
		keys = append(keys, s.catalogs[i].key())
	}
	for i := range s.registers {
		keys = append(keys, s.registers[i].key(&s.catalogs[s.registers[i].cluster]))
	}
	key, err := json.Marshal(struct {
		Desired string
		Poll    time.Duration
		Swarm   *docker.Engine
		Docker  []string
		DryRun  bool
		Policy  healer.Policy
		Lock    consul.LockOptions
		Told    []*Notify
		Repeat  time.Duration
		With    []string
	}{h.desired, h.poll, h.swarmEngine(), h.dockerWords(), h.dryRun, h.policy, h.lock, h.told, h.notify.Repeat, keys})
	if err != nil {
		panic(fmt.Sprintf("healing's configuration is plain data: %v", err))
	}
	return string(key)
}

func (h *healSpec) swarmEngine() *docker.Engine {
	if h.swarm == nil {
		return nil
	}
	return &h.swarm.Engine
}

func (h *healSpec) dockerWords() []string {
	if h.docker == nil {
		return nil
	}
	return []string{h.docker.Engine.Host, h.docker.Node, h.docker.Publish, fmt.Sprint(h.docker.Restarts)}
}
