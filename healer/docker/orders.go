package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/healer"
)

// carryOut does what an order says, and tells how it went.
func (x *Executor) carryOut(ctx context.Context, o discovery.Order) (discovery.Outcome, string) {
	var err error
	switch o.Kind {
	case discovery.StopContainer:
		err = Halter{Engine: x.Engine, Leave: x.Leave}.Stop(ctx, o.Container, x.mayStop)
	case discovery.DrainHost:
		err = x.host(ctx, o, x.Drain)
	case discovery.UndrainHost:
		err = x.host(ctx, o, x.Undrain)
	}
	switch {
	case err == nil:
		return discovery.OrderDone, ""
	case errors.Is(err, healer.ErrFenced):
		return discovery.OrderGone, err.Error()
	case errors.Is(err, healer.ErrRefused):
		return discovery.OrderRefused, err.Error()
	case errors.Is(err, ErrNoAnswer) || ctx.Err() != nil:
		return discovery.OrderUnknown, err.Error()
	}
	return discovery.OrderFailed, err.Error()
}

// mayStop refuses containers that nobody would replace: those that neither Swarm nor this Fairlead runs.
func (x *Executor) mayStop(found container.InspectResponse) error {
	if _, ours := placeOf(found.Config.Labels, cmp.Or(x.Owner, defaultOwner)); ours || found.Config.Labels[swarmService] != "" {
		return nil
	}
	return fmt.Errorf("%w: container %s is neither Swarm's nor this Fairlead's", healer.ErrRefused, short(found.ID))
}

func (x *Executor) host(ctx context.Context, o discovery.Order, do func(context.Context, discovery.Order) error) error {
	if do == nil {
		return fmt.Errorf("%w: this agent cannot %s its host", healer.ErrRefused, o.Kind)
	}
	return do(ctx, o)
}
