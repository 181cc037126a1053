package admin

import (
	"net/http"

	"github.com/fairlead/fairlead/proxy/pool"
)

// readiness says whether a load balancer in front should send clients here.
type readiness struct {
	Ready bool `json:"ready"`
	// Reason says why not.
	Reason   string             `json:"reason,omitempty"`
	Clusters []clusterReadiness `json:"clusters"`
}

type clusterReadiness struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
}

func (r *readiness) status() int {
	if r.Ready {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// ready shows what the edge says of itself, and which of its clusters have had facts.
func (a *api) ready(s *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	answer := &readiness{Ready: true, Clusters: []clusterReadiness{}}
	if err := a.edge.Ready(); err != nil {
		answer.Ready, answer.Reason = false, err.Error()
	}
	for _, c := range s.Clusters {
		answer.Clusters = append(answer.Clusters, clusterReadiness{c.Name, c.Ready})
	}
	return answer, nil
}
