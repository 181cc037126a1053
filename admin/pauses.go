package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy/pool"
)

// pauseView is a pause of one cluster's healer.
type pauseView struct {
	Cluster string `json:"cluster"`
	healer.Pause
}

// pauseOrder is the body of PUT /fairlead/healer/pauses.
type pauseOrder struct {
	Cluster string       `json:"cluster"`
	Scope   healer.Scope `json:"scope"`
	Name    string       `json:"name"`
	mandate
}

// pauses lists the pauses in force, read from the journals.
func (a *api) pauses(s *pool.Snapshot, r *http.Request) (any, error) {
	chosen, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	all := []pauseView{}
	for _, h := range chosen {
		held, err := a.inForce(r, h)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", h.Status().Cluster, err)
		}
		all = append(all, held...)
	}
	return struct {
		Version uint64      `json:"version"`
		Pauses  []pauseView `json:"pauses"`
	}{s.Version, all}, nil
}

func (a *api) inForce(r *http.Request, h steered) (held []pauseView, err error) {
	pauses, err := h.Pauses(r.Context())
	for _, p := range pauses {
		if p.Expires.After(a.now()) {
			held = append(held, pauseView{h.Status().Cluster, p})
		}
	}
	return held, err
}

// pause sets a pause in place of an older one of the same scope and name.
func (a *api) pause(_ *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	var body pauseOrder
	const hint = `send {"scope": "service", "name": "shop.example.com", "author": "who", "reason": "why", "ttl": "2h"}; scope is all, service, host or brake`
	if err := readOrder(r, &body, hint); err != nil {
		return nil, err
	}
	expires, err := body.end(a.now())
	if err != nil {
		return nil, err
	}
	h, err := a.one(body.Cluster, serviceOf(body.Scope, body.Name))
	if err != nil {
		return nil, err
	}
	p := healer.Pause{Scope: body.Scope, Name: body.Name, Author: body.Author, Reason: body.Reason, Expires: expires}
	if err := h.Pause(r.Context(), p); err != nil {
		return nil, err
	}
	if stored, found, err := a.paused(r, h, p.Scope, p.Name); err == nil && found {
		return stored, nil
	}
	return pauseView{h.Status().Cluster, p}, nil // stored, but not to be read at the moment
}

// resume ends a pause. The one that was ended is the answer.
func (a *api) resume(_ *pool.Snapshot, r *http.Request) (any, error) {
	values, err := query(r, "cluster", "scope", "name")
	if err != nil {
		return nil, err
	}
	scope, name := healer.Scope(values.Get("scope")), values.Get("name")
	if scope == "" {
		return nil, badInput("add ?scope=service&name=shop.example.com, or scope=all, host or brake", "no scope is named")
	}
	chosen, err := a.choose(values.Get("cluster"))
	if err != nil {
		return nil, err
	}
	var there []steered
	var ended pauseView
	for _, h := range chosen {
		stored, found, err := a.paused(r, h, scope, name)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", h.Status().Cluster, err)
		}
		if found {
			there, ended = append(there, h), stored
		}
	}
	switch len(there) {
	case 0:
		return nil, unknown("see /fairlead/healer/pauses for those there are", "no pause of %s is in force", strings.TrimSpace(string(scope)+" "+name))
	case 1:
		return ended, there[0].Resume(r.Context(), scope, name)
	}
	return nil, badInput("name one of "+listed(clusters(there)), "several clusters have such a pause, and none is named")
}

// paused finds a pause in force.
func (a *api) paused(r *http.Request, h steered, scope healer.Scope, name string) (p pauseView, found bool, err error) {
	held, err := a.inForce(r, h)
	i := slices.IndexFunc(held, func(p pauseView) bool { return p.Scope == scope && strings.EqualFold(p.Name, name) })
	if err != nil || i < 0 {
		return p, false, err
	}
	return held[i], true, nil
}

func serviceOf(scope healer.Scope, name string) string {
	if scope == healer.PauseService {
		return name
	}
	return ""
}

// forgive has what was given up for a service tried again at once.
func (a *api) forgive(_ *pool.Snapshot, r *http.Request) (any, error) {
	values, err := query(r, "cluster", "service")
	if err != nil {
		return nil, err
	}
	service := values.Get("service")
	if service == "" {
		return nil, badInput("add ?service=shop.example.com", "no service is named")
	}
	h, err := a.one(values.Get("cluster"), service)
	if err != nil {
		return nil, err
	}
	if err := h.Forgive(r.Context(), service); err != nil {
		return nil, err
	}
	return struct {
		Cluster string `json:"cluster"`
		Service string `json:"service"`
	}{h.Status().Cluster, strings.ToLower(service)}, nil
}
