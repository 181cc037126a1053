package consul

import (
	"context"
	"fmt"
)

// readAgain reads a service whose present instances vanished while its index rose, by a ?consistent read, for which the leader makes sure
// that it still is one.
func (s *Source) readAgain(ctx context.Context, name string, held holding) (reading, error) {
	entries, got, err := s.readEntries(ctx, name, ask{consistent: true})
	if err != nil {
		return reading{}, fmt.Errorf("making sure that instances are gone: %w", err)
	}
	next, err := decode(s.config.Cluster, name, got.index, entries)
	if err != nil {
		return reading{}, err
	}
	if gone := vanished(held.service, next.service); len(gone) > 0 && !held.risen(got.index) {
		return reading{}, shrink{fmt.Sprintf("%s vanished although the index stands at %d", some(gone), got.index)}
	}
	return next, nil
}

// confirm makes sure of what a ?consistent read said of a service. If nothing is left of it, the list of names must agree. An error is
// a doubt.
func (s *Source) confirm(ctx context.Context, name string, held holding, next reading) error {
	if len(next.registrations) > 0 {
		return nil
	}
	least := next.service.Index
	if held.fell {
		least = newest // a list of before the fall has a higher index
	}
	is, err := s.names.get(ctx, least)
	if err != nil {
		return fmt.Errorf("making sure that the service is gone: %w", err)
	}
	if _, listed := is.has[name]; listed {
		return shrink{"no instance is answered, but the list of names still has the service: the ACL token may lack node:read"}
	}
	return s.testify(ctx, name, is)
}

// testify makes sure that the list of names does not lie as it does to a request without a token that lost its rights: no header
// tells that answer from an honest one, but it lacks services whose own indexes stand still, and the servers themselves.
func (s *Source) testify(ctx context.Context, name string, is *names) error {
	if is.honest.Load() {
		return nil
	}
	if _, listed := is.has[ownService]; s.sawServers.Load() && !listed {
		return errRights
	}
	other, index, found := s.book.witness(name, is.has)
	if !found {
		return nil
	}
	entries, got, err := s.readEntries(ctx, other, ask{consistent: true})
	if err != nil {
		return fmt.Errorf("asking for %s as a witness: %w", other, err)
	}
	if len(entries) == 0 && got.index == index {
		return errRights
	}
	is.honest.Store(true)
	return nil
}
