package healer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// engine is a fleet's Runtime as one healer's process uses it.
type engine struct {
	*fleet
	healer *process
}

var _ Runtime = engine{}

func (e engine) Name() string { return "fleet" }

func (e engine) Observe(ctx context.Context, s *Service) (Observation, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.apps[s.Domain]
	if e.deaf != nil || s.Run.Host != "" && !e.hosts[s.Run.Host] {
		return Observation{}, errors.Join(e.deaf, errors.New("no answer"))
	}
	o := Observation{Replicas: a.replicas, Fence: a.fence, Busy: a.busy}
	if s.Run.Swarm == "" {
		o = Observation{Replicas: -1}
	}
	for _, b := range e.boxes {
		if b.domain == s.Domain {
			o.Copies = append(o.Copies, Copy{ID: b.id, Name: b.name, Slot: b.slot, Generation: b.generation, Node: b.host, Running: b.running, Since: b.since})
		}
	}
	return o, nil
}

func (e engine) Do(ctx context.Context, a Action) error {
	return e.healer.step(func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.deaf != nil || a.Service.Run.Host != "" && !e.hosts[a.Service.Run.Host] {
			return errors.New("no answer")
		}
		e.watch(a)
		err := e.do(a)
		if err == nil {
			e.done, e.at = append(e.done, a), append(e.at, time.Now())
			e.settle()
		}
		return err
	})
}

func (e engine) do(a Action) error {
	app := e.apps[a.Service.Domain]
	switch a.Kind {
	case Scale:
		if a.Fence != app.fence {
			return ErrFenced
		}
		if a.To <= app.replicas {
			e.violated("replicas of %s set from %d to %d", a.Service.Domain, app.replicas, a.To)
		}
		app.replicas = a.To
		app.fence++
	case Start:
		return e.create(app, a)
	case Stop:
		for _, b := range e.boxes {
			if b.id == a.Copy {
				e.stop(b, a)
			}
		}
	}
	return nil
}

// create starts a container on the plain engine, which refuses a name it has, and a slot that has a later generation.
func (e engine) create(app *app, a Action) error {
	if app.refuses != nil {
		return app.refuses
	}
	name := fmt.Sprintf("%s.%d.%d", a.Service.Domain, a.Slot, a.Generation)
	for _, b := range e.boxes {
		if b.name == name || b.domain == a.Service.Domain && b.slot == a.Slot && b.generation > a.Generation {
			return ErrFenced
		}
	}
	if b := e.running(a.Service.Domain, a.Slot); b != nil {
		e.violated("%s started while %s ran", name, b.name)
	}
	e.start(app, a.Slot, a.Generation, name, a.Service.Run.Host)
	return nil
}

func (e engine) stop(b *box, a Action) {
	present := 0
	for _, other := range e.boxes {
		if other.domain == b.domain && other.running && !other.critical && e.hosts[other.host] {
			present++
		}
	}
	if host, drained := e.drained(a); drained {
		e.move(b, a, host, present)
	} else if b.running && !b.critical && present <= a.Service.Count {
		e.violated("%s was stopped although it was well, and only %d were present", b.name, present)
	}
	if !e.hosts[b.host] || a.Node != b.host {
		e.violated("%s of lost or other host %s was to be stopped on %s", b.name, b.host, a.Node)
	}
	b.running = false
}

// drained returns the host that an action is to empty.
func (e engine) drained(a Action) (host string, drained bool) {
	_, err := fmt.Sscanf(a.Reason, "host %s is drained", &host)
	return host, err == nil
}

// move checks the stopping of a copy on a drained host.
func (e engine) move(b *box, a Action, host string, present int) {
	if b.running && !b.critical {
		present--
	}
	forced := strings.Contains(a.Reason, "by force")
	if present < a.Service.Least() && !forced {
		e.violated("%s was moved, and %d were left present", b.name, present)
	}
	if a.Service.Run.Swarm == "" && !forced {
		e.violated("%s of a plain engine was stopped for a drain", b.name)
	}
	if host != b.host || a.Service.Run.Swarm != "" && !e.held[host] {
		e.violated("%s on %s was moved for the drain of %s, which is held: %t", b.name, b.host, host, e.held[host])
	}
}

// Hold, Release and Others make the engine a Placer.
func (e engine) Hold(_ context.Context, host string) (closed bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	closed, e.held[host] = !e.held[host], true
	return closed, e.deaf
}

func (e engine) Release(_ context.Context, host string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.held, host)
	e.settle()
	return e.deaf
}

func (e engine) Others(context.Context, string) ([]string, error) { return []string{"other"}, e.deaf }

var _ Placer = engine{}

// watch checks that an action may be made now at all.
func (e engine) watch(a Action) {
	now := time.Now()
	policy := e.healer.lab.policy
	if e.doubt != "" {
		e.violated("action in doubt: %+v", a)
	}
	if since := now.Sub(e.doubted); !e.doubted.IsZero() && since < policy.WarmUp {
		e.violated("action %s after a doubt: %+v", since, a)
	}
	if !e.healer.Held() {
		e.violated("action without the lock: %+v", a)
	}
	if since := now.Sub(e.healer.leadingSince()); since < policy.WarmUp {
		e.violated("action %s after coming to act: %+v", since, a)
	}
	if e.healer.lab.paused() {
		e.violated("action while paused: %+v", a)
	}
	recent := 0
	for _, at := range e.at {
		if now.Sub(at) < time.Minute {
			recent++
		}
	}
	if recent >= policy.PerMinute {
		e.violated("%d actions within a minute before %+v", recent, a)
	}
	if app := e.apps[a.Service.Domain]; app.busy != "" {
		e.violated("action while the engine was busy: %+v", a)
	}
}
