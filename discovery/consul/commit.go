package consul

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/discovery"
)

// serviceSubject is the subject of doubts about one service, however it was asked for.
func serviceSubject(name string) subject {
	return subject{what: "service " + name, service: name}
}

func servicePath(name string) string { return "/v1/health/service/" + name }

// readService reads a service once and commits it. An answer older than least is asked again of a leader that makes sure it is one.
// One that changed what is held while a hint was compared with that is read again: it may be older than the hint, and show what that
// no longer had.
func (s *Source) readService(ctx context.Context, name string, least uint64) error {
	hints, held := s.hints.Load(), s.book.get(name).service
	err := s.tryService(ctx, name, least)
	if s.hints.Load() != hints && s.book.get(name).service != held {
		s.reads.mark(name, 0)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.doubts.raise(serviceSubject(name), err)
	default:
		s.doubts.clear(serviceSubject(name))
	}
	return err
}

func (s *Source) tryService(ctx context.Context, name string, least uint64) error {
	entries, got, err := s.readEntries(ctx, name, ask{consistent: least == newest})
	if err == nil && got.index < least && !got.consistent {
		entries, got, err = s.readEntries(ctx, name, ask{consistent: true})
	}
	if err != nil {
		return err
	}
	return s.commit(ctx, name, entries, got)
}

// readEntries reads a service once. So many do so at a time as there are Readers, whoever they are.
func (s *Source) readEntries(ctx context.Context, name string, how ask) ([]entry, answer, error) {
	select {
	case <-ctx.Done():
		return nil, answer{}, ctx.Err()
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	}
	var entries []entry
	got, err := s.client.read(ctx, servicePath(name), how, &entries)
	return entries, got, err
}

// commit judges an answer for a service and, if it is believed, reports what changed. An error is a doubt, and the caller asks
// again. Nobody else commits the same service meanwhile.
func (s *Source) commit(ctx context.Context, name string, entries []entry, got answer) error {
	if entries == nil {
		return errNull
	}
	next, err := decode(s.config.Cluster, name, got.index, entries)
	if err != nil {
		return err
	}
	held := s.book.get(name)
	switch judge(held, got.index, next.service) {
	case fallen:
		s.book.fall(name)
		return fmt.Errorf("the index went backwards from %d to %d", held.index, got.index)
	case unrisen:
		return shrink{fmt.Sprintf("%s vanished although the index stands at %d", some(vanished(held.service, next.service)), got.index)}
	case confirm:
		if !got.consistent {
			if next, err = s.readAgain(ctx, name, held); err != nil {
				return err
			}
		}
		if err := s.confirm(ctx, name, held, next); err != nil {
			return err
		}
	}
	s.accept(name, held, next)
	return nil
}

// accept makes an answer what is held.
func (s *Source) accept(name string, held holding, next reading) {
	index := next.service.Index
	if held.service != nil && held.index == index && sameInstances(held.service, next.service) {
		next.service = held.service // unchanged, and told by its pointer
	}
	s.book.put(name, holding{service: next.service, index: index, registrations: next.registrations, live: true})
	s.heard(index)
	if next.service == held.service || (held.service == nil && len(next.service.Instances) == 0) {
		return
	}
	s.reporter.set(next.service)
}

func sameInstances(a, b *discovery.Service) bool {
	return slices.EqualFunc(a.Instances, b.Instances, func(x, y discovery.Instance) bool { return x.Equal(&y) })
}

// some names a few instances.
func some(ids []string) string {
	if len(ids) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:3], ", "), len(ids)-3)
	}
	return strings.Join(ids, ", ")
}
