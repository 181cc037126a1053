package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/healer"
)

// ErrNoAgent: no agent of the host took the order up before it expired, and nothing was done.
var ErrNoAgent = errors.New("no agent of that host took the order up")

var _ healer.Agents = (*Sender)(nil)

// Sender leaves orders for the agents of other hosts.
type Sender struct {
	KV state.KV
	// Author is who gives the orders.
	Author string
	// Expiry is how long an order is good for (30 s); both hosts' clocks count.
	Expiry time.Duration
	// Wait is how long an order that was taken up may take (2 minutes).
	Wait time.Duration
}

// Stop orders that a container be stopped, and returns when it is.
func (s *Sender) Stop(ctx context.Context, node, container, reason string) error {
	return s.order(ctx, node, fmt.Sprintf("stopping container %s on %s", short(container), node),
		discovery.Order{Kind: discovery.StopContainer, Container: container, Reason: reason})
}

// Drain orders that all that is registered on a host leave every rotation, and returns when it has.
func (s *Sender) Drain(ctx context.Context, node, reason string) error {
	return s.order(ctx, node, "draining "+node, discovery.Order{Kind: discovery.DrainHost, Reason: reason})
}

// Undrain orders that it come back.
func (s *Sender) Undrain(ctx context.Context, node, reason string) error {
	return s.order(ctx, node, "ending the drain of "+node, discovery.Order{Kind: discovery.UndrainHost, Reason: reason})
}

// order sends an order and tells apart what became of it.
func (s *Sender) order(ctx context.Context, node, what string, o discovery.Order) error {
	result, err := s.Send(ctx, node, o)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case result.Outcome == discovery.OrderDone:
		return nil
	}
	answer := fmt.Errorf("%s: %s: %s", what, result.Outcome, result.Text)
	switch result.Outcome {
	case discovery.OrderGone:
		return fmt.Errorf("%w: %w", healer.ErrFenced, answer)
	case discovery.OrderRefused:
		return fmt.Errorf("%w: %w", healer.ErrRefused, answer)
	case discovery.OrderExpired:
		return fmt.Errorf("%w: %w", ErrNoAgent, answer)
	case discovery.OrderUnknown:
		return fmt.Errorf("%w: %w", ErrNoAnswer, answer)
	}
	return answer
}

// Send leaves an order for a host and returns the answer of its agent. It fills in ID, author and times.
func (s *Sender) Send(ctx context.Context, node string, o discovery.Order) (discovery.OrderResult, error) {
	now := time.Now()
	o.ID, o.Author, o.Issued, o.Expires = rand.Text(), s.Author, now, now.Add(cmp.Or(s.Expiry, 30*time.Second))
	if err := errors.Join(discovery.CheckNode(node), o.Check()); err != nil {
		return discovery.OrderResult{}, err
	}
	document, err := json.Marshal(o)
	if err != nil {
		return discovery.OrderResult{}, err
	}
	key := discovery.OrderKey(node, o.ID)
	if err := s.KV.CompareAndSet(ctx, key, document, 0); err != nil {
		return discovery.OrderResult{}, err
	}
	return s.await(ctx, key, o)
}

// await follows the document until it is answered. An order that nobody has claimed at its end is taken back, so that it is certain
// that nothing was done; of one that was claimed it is not.
func (s *Sender) await(ctx context.Context, key string, o discovery.Order) (discovery.OrderResult, error) {
	answered := make(chan discovery.OrderResult, 1)
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.KV.Watch(watching, key, func(entries []state.Entry, _ error) { // it ends with watching, and goes on after errors
			var held discovery.Order
			if len(entries) == 1 && json.Unmarshal(entries[0].Value, &held) == nil && held.Result != nil {
				select {
				case answered <- *held.Result:
				default:
				}
			}
		})
	}()
	defer func() { stop(); <-done }()
	expired := time.NewTimer(time.Until(o.Expires))
	defer expired.Stop()
	limit := time.NewTimer(time.Until(o.Expires) + cmp.Or(s.Wait, 2*time.Minute))
	defer limit.Stop()
	for {
		select {
		case result := <-answered:
			return result, nil
		case <-expired.C:
			if err := s.takeBack(ctx, key); err == nil {
				return discovery.OrderResult{}, ErrNoAgent
			}
		case <-limit.C:
			return discovery.OrderResult{}, fmt.Errorf("the order was given and not answered: %w", ErrNoAnswer)
		case <-ctx.Done():
			return discovery.OrderResult{}, fmt.Errorf("the order was given, its outcome is unknown: %w", ctx.Err())
		}
	}
}

// takeBack deletes an order that nobody has claimed.
func (s *Sender) takeBack(ctx context.Context, key string) error {
	entry, err := s.KV.Get(ctx, key)
	if err != nil {
		return err
	}
	var held discovery.Order
	if err := json.Unmarshal(entry.Value, &held); err != nil {
		return err
	}
	if held.ClaimedBy != "" || held.Result != nil {
		return state.ErrConflict
	}
	return s.KV.Delete(ctx, key, entry.Index)
}
