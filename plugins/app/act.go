package app

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/admin"
	"github.com/fairlead/fairlead/admin/agent"
	"github.com/fairlead/fairlead/discovery/registrar"
)

// act begins what acts on the world: what the configuration before has begun in the same way goes on.
func (a *App) act() error {
	for i := range a.spec.registers {
		r := &a.spec.registers[i]
		open := func() (caddy.Destructor, error) { return r.open(a.joined[r.cluster], a.authorities) }
		opened, err := acquire(hosts, r.key(&a.spec.catalogs[r.cluster]), open, a)
		if err != nil {
			return err
		}
		a.engines = append(a.engines, opened.(*host))
	}
	shown := new(admin.Healing)
	defer a.shown.Replace(shown)
	if len(a.engines) > 0 {
		shown.Registrars, shown.Doors = a.registrations, a.doors
	}
	if a.spec.heal == nil {
		return nil
	}
	open := func() (caddy.Destructor, error) { return a.spec.heal.open(a.spec.catalogs, a.joined, a.engines) }
	opened, err := acquire(healings, a.spec.heal.key(a.spec), open, a)
	if err != nil {
		return err
	}
	a.healing = opened.(*healing)
	shown.Desired, shown.Supervisors = a.healing.desired, a.healing.supervisors
	return nil
}

// doors returns how the doors to logs stand, by host.
func (a *App) doors() map[string]agent.Status {
	all := map[string]agent.Status{}
	for _, h := range a.engines {
		if h.door != nil {
			all[h.node] = h.door.Status()
		}
	}
	return all
}

func (a *App) registrations() (all []registrar.Status) {
	for _, h := range a.engines {
		all = append(all, h.registrar.Status())
	}
	return all
}
