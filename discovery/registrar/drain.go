package registrar

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/discovery"
)

// errNotOurs says that an order names a service that is none of this registrar's.
var errNotOurs = errors.New("it is no service of this registrar: look up its ID in Consul")

// Drain puts services in maintenance, by their service IDs, and returns once the servers have it, so that a proxy following them takes
// note before what comes next. The order holds until Undrain, over restarts of the registrar too, and also if ctx ends before it is
// confirmed, which the error then says. A service that is not registered has nothing to be drained.
func (r *Registrar) Drain(ctx context.Context, serviceIDs []string, reason string) error {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return errors.New("draining: give a reason")
	}
	r.mu.Lock()
	for _, id := range serviceIDs {
		r.drained[id] = reason
		delete(r.released, id)
		delete(r.attempts.all, id)
	}
	r.mu.Unlock()
	if err := r.obey(ctx, serviceIDs, true); err != nil {
		return fmt.Errorf("draining: %w", err)
	}
	return nil
}

// Undrain ends the maintenance that Drain has set, in this life or an earlier one, and returns once the servers have it. One that an
// operator has set stays, and so does that of a container that is being stopped.
func (r *Registrar) Undrain(ctx context.Context, serviceIDs []string) error {
	r.mu.Lock()
	for _, id := range serviceIDs {
		delete(r.drained, id)
		r.released[id] = true
		delete(r.attempts.all, id)
	}
	r.mu.Unlock()
	if err := r.obey(ctx, serviceIDs, false); err != nil {
		return fmt.Errorf("ending a drain: %w", err)
	}
	return nil
}

// obey tries until the servers have services in maintenance, or not because of a drain, or until ctx ends.
func (r *Registrar) obey(ctx context.Context, serviceIDs []string, on bool) error {
	for failures := 1; ; failures++ {
		err := r.order(ctx, serviceIDs, on)
		if err == nil || errors.Is(err, errNotOurs) || errors.Is(err, errEnded) {
			return err
		}
		if waiting := sleep(ctx, min(r.config.RetryMin, r.config.Confirm<<min(failures, 10))); waiting != nil {
			return fmt.Errorf("not confirmed yet: %w: %w", err, ctx.Err())
		}
	}
}

// order makes one turn and looks whether it has done what was ordered, first at the agent, then at the servers.
func (r *Registrar) order(ctx context.Context, serviceIDs []string, on bool) error {
	if _, err := r.turn(ctx); err != nil {
		return err
	}
	has, err := r.agent.read(ctx)
	if err != nil {
		return err
	}
	if err := r.ours(has, serviceIDs); err != nil {
		return err
	}
	for _, id := range serviceIDs {
		is := has.services[id]
		if is == nil {
			continue
		}
		reason, maintained := has.maintenance(id)
		if on && !maintained || !on && strings.HasPrefix(reason, drainMark) && !r.stopping(id) {
			return r.why(id)
		}
		if err := r.confirm(ctx, is.Service, id, on, maintained); err != nil {
			return err
		}
	}
	return nil
}

// confirm asks the servers whether they have what the agent has of an order.
func (r *Registrar) confirm(ctx context.Context, name, id string, on, maintained bool) error {
	node := r.Status().Agent.Node
	if on != maintained || node == "" {
		return nil
	}
	found, err := r.agent.inCatalog(ctx, node, name, id)
	if err != nil {
		return err
	}
	if found != on {
		return fmt.Errorf("the servers have not heard of it yet: %s", id)
	}
	return nil
}

// stopping reports whether the source has an instance in maintenance.
func (r *Registrar) stopping(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.desired.now[id]
	return i != nil && i.Health == discovery.Maintenance
}

func (r *Registrar) isRunning() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

// ours refuses orders about services of others, and forgets them.
func (r *Registrar) ours(has *holdings, serviceIDs []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range serviceIDs {
		is := has.services[id]
		_, kept := r.desired.kept[id]
		_, removed := r.desired.removed[id]
		known := kept || removed || r.desired.now[id] != nil
		if is == nil && known || r.identity.owns(is) {
			continue
		}
		delete(r.drained, id)
		delete(r.released, id)
		return fmt.Errorf("%s: %w", id, errNotOurs)
	}
	return nil
}

// why returns what keeps an order from being done.
func (r *Registrar) why(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.attempts.all[id]; at != nil && at.err != nil {
		return at.err
	}
	return fmt.Errorf("the agent has not taken it yet: %s", id)
}
