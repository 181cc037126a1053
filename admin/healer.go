package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy/pool"
)

// healerView is how healing stands in each cluster, as of the last round of its healer.
type healerView struct {
	Version  uint64          `json:"version"`
	Clusters []healer.Status `json:"clusters"`
}

func (a *api) healer(s *pool.Snapshot, r *http.Request) (any, error) {
	statuses, err := a.statuses(r)
	if err != nil {
		return nil, err
	}
	return healerView{s.Version, statuses}, nil
}

// planView is what would be done now, and what keeps it from being done.
type planView struct {
	Version  uint64        `json:"version"`
	Clusters []clusterPlan `json:"clusters"`
}

type clusterPlan struct {
	Cluster string `json:"cluster"`
	// At is the time of the healer's last round; absent before the first.
	At      time.Time `json:"at,omitzero"`
	Leading bool      `json:"leading"`
	DryRun  bool      `json:"dry_run,omitempty"`
	// Problem, Doubt, Blind and Frozen are those of the healer.
	Problem string `json:"problem,omitempty"`
	Doubt   string `json:"doubt,omitempty"`
	Blind   string `json:"blind,omitempty"`
	Frozen  string `json:"frozen,omitempty"`
	// Pauses are those in force, Drains the hosts that are drained.
	Pauses []healer.Pause       `json:"pauses,omitempty"`
	Drains []healer.DrainStatus `json:"drains,omitempty"`
	// Services are those with which something is wrong, or about which something is being done.
	Services []healer.ServiceStatus `json:"services"`
}

func (a *api) plan(s *pool.Snapshot, r *http.Request) (any, error) {
	statuses, err := a.statuses(r)
	if err != nil {
		return nil, err
	}
	view := planView{Version: s.Version, Clusters: []clusterPlan{}}
	for _, status := range statuses {
		view.Clusters = append(view.Clusters, clusterPlan{
			Cluster: status.Cluster, At: status.At, Leading: status.Leading, DryRun: status.DryRun,
			Problem: status.Problem, Doubt: status.Doubt, Blind: status.Blind, Frozen: status.Frozen,
			Pauses: status.Pauses, Drains: status.Drains,
			Services: slices.DeleteFunc(status.Services, atRest),
		})
	}
	return view, nil
}

func atRest(s healer.ServiceStatus) bool {
	return s.State == healer.Passing && s.Wanted == "" && s.Flight == nil && len(s.Quarantine) == 0
}

// statuses returns how the healers stand that a request asks for. The caller owns the list of services.
func (a *api) statuses(r *http.Request) ([]healer.Status, error) {
	chosen, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	all := []healer.Status{}
	for _, h := range chosen {
		status := h.Status()
		status.Services = append([]healer.ServiceStatus{}, status.Services...)
		if status.Totals.Planned == nil {
			status.Totals.Planned = map[healer.Kind]int{}
		}
		all = append(all, status)
	}
	return all, nil
}

// asked returns the healers that a request asks for by its one parameter, cluster.
func (a *api) asked(r *http.Request) ([]steered, error) {
	values, err := query(r, "cluster")
	if err != nil {
		return nil, err
	}
	return a.choose(values.Get("cluster"))
}

// choose returns the healer of a cluster, all if none is named.
func (a *api) choose(cluster string) ([]steered, error) {
	all := a.healers()
	if len(all) == 0 {
		return nil, noHealing()
	}
	if cluster == "" {
		return all, nil
	}
	for _, h := range all {
		if h.Status().Cluster == cluster {
			return []steered{h}, nil
		}
	}
	return nil, unknown("clusters that are healed: "+listed(clusters(all)), "no cluster %q is healed", cluster)
}

// one returns the healer that an order is for: of the cluster named, or the only one, or the only one that keeps the service named. A
// service that is not wanted is refused, since an order about it would be without effect and its author would not know.
func (a *api) one(cluster, service string) (steered, error) {
	chosen, err := a.choose(cluster)
	if err != nil {
		return nil, err
	}
	if service != "" {
		if chosen = slices.DeleteFunc(slices.Clone(chosen), func(h steered) bool { return !a.wants(h.Status().Cluster, service) }); len(chosen) == 0 {
			return nil, unknown("write its domain as in the desired file; /fairlead/healer lists them", "no service %q is wanted", service)
		}
	}
	if len(chosen) > 1 {
		return nil, badInput("name one of "+listed(clusters(chosen)), "several clusters are healed, and none is named")
	}
	return chosen[0], nil
}

// wants reports whether a service is wanted in a cluster, or may be: while there is no desired file nobody knows.
func (a *api) wants(cluster, service string) bool {
	wishes := a.healing.latest().Desired
	if wishes == nil {
		return true
	}
	desired, _ := wishes.Current()
	return desired == nil || slices.ContainsFunc(desired.In(cluster), func(s *healer.Service) bool {
		return strings.EqualFold(s.Domain, service)
	})
}

func clusters(of []steered) (names []string) {
	for _, h := range of {
		names = append(names, h.Status().Cluster)
	}
	return names
}

func noHealing() *problem {
	return unknown("add the block heal to the configuration", "no healing is configured")
}
