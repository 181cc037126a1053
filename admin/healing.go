package admin

import (
	"context"
	"sync/atomic"

	"github.com/fairlead/fairlead/admin/agent"
	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/healer"
)

// Healing is what the API shows and steers besides the edge. Whatever is nil is not configured; a nil *Healing is nothing at all. Its
// fields are set before New; Replace is for what is known later only.
type Healing struct {
	// Desired says what must be present.
	Desired healer.Wishes
	// Supervisors heal one cluster each.
	Supervisors []*healer.Supervisor
	// Facts returns the newest facts of all clusters, in the order of the configuration; nil asks the edge.
	Facts func() []*discovery.Facts
	// Registrars returns how the registrars of this process stand.
	Registrars func() []registrar.Status
	// Doors returns how the doors to containers' logs stand, by host.
	Doors func() map[string]agent.Status

	replaced atomic.Pointer[Healing]
}

// Replace has all that is asked from now on see another healing instead. It may be called while requests and scrapes come in.
func (h *Healing) Replace(with *Healing) { h.replaced.Store(with) }

// latest returns the healing that counts; never nil.
func (h *Healing) latest() *Healing {
	if h == nil {
		return new(Healing)
	}
	if with := h.replaced.Load(); with != nil {
		return with
	}
	return h
}

// Statuses returns how each cluster's healer stands, in the order of the configuration.
func (h *Healing) Statuses() []healer.Status {
	var all []healer.Status
	for _, s := range h.healers() {
		all = append(all, s.Status())
	}
	return all
}

// Registrations returns how the registrars stand.
func (h *Healing) Registrations() []registrar.Status {
	if with := h.latest(); with.Registrars != nil {
		return with.Registrars()
	}
	return nil
}

// DoorStatuses returns how the doors to containers' logs stand, by host.
func (h *Healing) DoorStatuses() map[string]agent.Status {
	if with := h.latest(); with.Doors != nil {
		return with.Doors()
	}
	return nil
}

// steered is the healer of one cluster as the API needs it.
type steered interface {
	Status() healer.Status
	Audit() []healer.AuditEntry
	// Pauses returns what the journal holds, pauses that are over among them.
	Pauses(ctx context.Context) ([]healer.Pause, error)
	Pause(ctx context.Context, p healer.Pause) error
	Resume(ctx context.Context, scope healer.Scope, name string) error
	Forgive(ctx context.Context, domain string) error
	DrainHost(ctx context.Context, d healer.Drain) error
	UndrainHost(ctx context.Context, host string) error
}

func (h *Healing) healers() []steered {
	var all []steered
	for _, s := range h.latest().Supervisors {
		all = append(all, supervisor{s})
	}
	return all
}

// supervisor is a healer with its journal.
type supervisor struct{ *healer.Supervisor }

var _ steered = supervisor{}

func (s supervisor) Pauses(ctx context.Context) ([]healer.Pause, error) {
	book, err := s.Journal().Read(ctx)
	if err != nil {
		return nil, err
	}
	return book.Pauses, nil
}

func (s supervisor) Pause(ctx context.Context, p healer.Pause) error {
	return s.Journal().Pause(ctx, p)
}

func (s supervisor) Resume(ctx context.Context, scope healer.Scope, name string) error {
	return s.Journal().Resume(ctx, scope, name)
}

func (s supervisor) Forgive(ctx context.Context, domain string) error {
	return s.Journal().Forgive(ctx, domain)
}
