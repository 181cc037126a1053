package healer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Placer is what chooses the hosts of new copies, such as a swarm. Of a host that it does not have each method returns ErrUnknownHost.
type Placer interface {
	// Hold has nothing new placed on a host; what runs there goes on. closed is false where that was so before.
	Hold(ctx context.Context, host string) (closed bool, err error)
	// Release ends a Hold.
	Release(ctx context.Context, host string) error
	// Others names the services with anything that runs on a host.
	Others(ctx context.Context, host string) ([]string, error)
}

// Agents reach the agents of hosts, for what concerns a whole host.
type Agents interface {
	// Drain takes all that is registered on a host out of every rotation.
	Drain(ctx context.Context, host, reason string) error
	// Undrain ends that.
	Undrain(ctx context.Context, host, reason string) error
}

// hostWork is what is known of the work on hosts that goes on beside the rounds, by lower-case host.
type hostWork struct {
	busy   map[string]bool
	errors map[string]error
	others map[string][]string
}

func newHostWork() hostWork {
	return hostWork{map[string]bool{}, map[string]error{}, map[string][]string{}}
}

// DrainHost orders that a host be drained.
func (s *Supervisor) DrainHost(ctx context.Context, d Drain) error {
	if s.o.DryRun {
		return fmt.Errorf("%w: this healer only plans", ErrBadDrain)
	}
	host, err := s.knows(ctx, d.Host)
	if err != nil {
		return err
	}
	d.Host = host
	return s.journal.Drain(ctx, d)
}

// UndrainHost takes that back: the host may come back.
func (s *Supervisor) UndrainHost(ctx context.Context, host string) error {
	return s.journal.Undrain(ctx, host)
}

// knows returns a host's name as it is written, and refuses one that is neither in the catalog nor among those that copies are placed on.
func (s *Supervisor) knows(ctx context.Context, host string) (string, error) {
	nodes := Look(s.o.Catalog.Facts(), nil).Nodes
	for node := range nodes {
		if strings.EqualFold(node, host) {
			return node, nil
		}
	}
	if s.o.Placer != nil {
		ctx, cancel := context.WithTimeout(ctx, s.policy.ObserveTimeout)
		defer cancel()
		if _, err := s.o.Placer.Others(ctx, host); !errors.Is(err, ErrUnknownHost) {
			return host, err
		}
	}
	return "", fmt.Errorf("%w: %q; there are %s", ErrUnknownHost, host, strings.Join(slices.Sorted(maps.Keys(nodes)), ", "))
}

// drains does what is due for the hosts that are drained, each beside the rounds: engines and agents may take their time.
func (s *Supervisor) drains(ctx context.Context, in *Input, result *Result) {
	states := map[string]DrainState{}
	for _, d := range result.Drains {
		states[d.Host] = d.State
	}
	for _, d := range in.Book.Drains {
		key := strings.ToLower(d.Host)
		s.mu.Lock()
		skip := d.broken != "" || s.hosts.busy[key]
		s.hosts.busy[key] = true
		s.mu.Unlock()
		if skip {
			continue
		}
		s.actions.Go(func() {
			limited, cancel := context.WithTimeout(ctx, s.policy.ActTimeout)
			defer cancel()
			changed, err := s.drain(limited, &d, states[d.Host])
			s.mu.Lock()
			if err != nil && (s.hosts.errors[key] == nil || s.hosts.errors[key].Error() != err.Error()) {
				s.log.Warn("draining a host", "host", d.Host, "error", err)
			}
			s.hosts.errors[key] = err
			delete(s.hosts.busy, key)
			s.mu.Unlock()
			if changed {
				s.Wake()
			}
		})
	}
}

// drain does the next thing that is due for a host.
func (s *Supervisor) drain(ctx context.Context, d *Drain, now DrainState) (changed bool, err error) {
	switch {
	case !s.o.Lock.Held():
		return false, nil
	case d.Ending:
		return true, s.release(ctx, d)
	case d.Held.IsZero():
		return true, s.hold(ctx, d)
	case now == DrainEmpty && d.Forced && d.Cleared.IsZero() && s.o.Agents != nil:
		return true, s.clear(ctx, d)
	case now == DrainEmpty && s.o.Placer != nil:
		others, err := s.o.Placer.Others(ctx, d.Host)
		if errors.Is(err, ErrUnknownHost) {
			err = nil
		}
		s.mu.Lock()
		s.hosts.others[strings.ToLower(d.Host)] = others
		s.mu.Unlock()
		return false, err
	}
	return false, nil
}

// hold has nothing new placed on a host. One that nothing is placed on needs no more.
func (s *Supervisor) hold(ctx context.Context, d *Drain) error {
	if s.o.Placer != nil {
		closed, err := s.o.Placer.Hold(ctx, d.Host)
		if err != nil && !errors.Is(err, ErrUnknownHost) {
			return err
		}
		d.Closed = closed
	}
	d.Held = s.now()
	return s.store(ctx, d, "held: host "+d.Host)
}

// clear takes what is left on a host out of every rotation.
func (s *Supervisor) clear(ctx context.Context, d *Drain) error {
	if err := s.o.Agents.Drain(ctx, d.Host, d.String()); err != nil {
		return err
	}
	d.Cleared = s.now()
	return s.store(ctx, d, "out of every rotation: host "+d.Host)
}

// release lets a host come back, and forgets its drain.
func (s *Supervisor) release(ctx context.Context, d *Drain) error {
	if !d.Cleared.IsZero() && s.o.Agents != nil {
		if err := s.o.Agents.Undrain(ctx, d.Host, "the drain is over"); err != nil {
			return err
		}
	}
	if d.Closed && s.o.Placer != nil {
		if err := s.o.Placer.Release(ctx, d.Host); err != nil && !errors.Is(err, ErrUnknownHost) {
			return err
		}
	}
	if err := s.journal.forgetDrain(ctx, d); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.hosts.others, strings.ToLower(d.Host))
	s.mu.Unlock()
	s.record(AuditEntry{At: s.clock.now(), Cluster: s.o.Cluster, What: "back: host " + d.Host, Reason: d.String()})
	return nil
}

func (s *Supervisor) store(ctx context.Context, d *Drain, what string) error {
	if _, err := s.journal.put(ctx, s.journal.drainKey(d.Host), d, d.index); err != nil {
		return err
	}
	s.record(AuditEntry{At: s.clock.now(), Cluster: s.o.Cluster, What: what, Reason: d.String()})
	return nil
}

func (s *Supervisor) now() time.Time { return s.clock.now().UTC().Truncate(time.Second) }

// shownDrains adds to the drains of a plan what the work beside it has found. Its caller holds mu.
func (s *Supervisor) shownDrains(planned []DrainStatus) []DrainStatus {
	for i := range planned {
		d := &planned[i]
		key := strings.ToLower(d.Host)
		if err := s.hosts.errors[key]; err != nil {
			d.Waits = err.Error()
		}
		if d.State == DrainEmpty {
			d.Others = s.hosts.others[key]
		}
	}
	return planned
}
