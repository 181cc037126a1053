package admin

import (
	"net/http"

	"github.com/fairlead/fairlead/admin/agent"
	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/proxy/pool"
)

// registrarView is one registrar, and whether all is well with it.
type registrarView struct {
	Healthy bool `json:"healthy"`
	registrar.Status
}

// registrations shows the registrars of this process, none where none is configured, and how the doors to logs stand, by host.
func (a *api) registrations(s *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	all := []registrarView{}
	for _, status := range a.healing.Registrations() {
		all = append(all, registrarView{status.Healthy(), status})
	}
	return struct {
		Version    uint64                  `json:"version"`
		Registrars []registrarView         `json:"registrars"`
		Doors      map[string]agent.Status `json:"doors,omitempty"`
	}{s.Version, all, a.healing.DoorStatuses()}, nil
}
