package admin

import (
	"net/http"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// sourcesView is what the edge hears, and what of it is doubted.
type sourcesView struct {
	Version  uint64           `json:"version"`
	Clusters []clusterSources `json:"clusters"`
}

type clusterSources struct {
	Cluster string `json:"cluster"`
	Ready   bool   `json:"ready"`
	// FactsVersion rises with every change of what the cluster's sources say.
	FactsVersion uint64 `json:"facts_version"`
	Services     int    `json:"services"`
	Instances    int    `json:"instances"`
	// Held counts the instances kept although no source vouches for them.
	Held int `json:"held"`
	// Doubts are the cluster's own; those of one source stand with it.
	Doubts  []discovery.Doubt `json:"doubts"`
	Sources []sourceView      `json:"sources"`
}

type sourceView struct {
	discovery.SourceStatus
	// Age is the time since the last answer, in seconds; absent where there was none in this life of the process.
	Age *float64 `json:"age_seconds,omitempty"`
}

func (a *api) sources(s *pool.Snapshot, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	view := sourcesView{Version: s.Version, Clusters: []clusterSources{}}
	for _, c := range s.Clusters {
		if facts := a.edge.Facts(c.Name); facts != nil {
			view.Clusters = append(view.Clusters, viewSources(facts, a.now()))
		}
	}
	return view, nil
}

func viewSources(facts *discovery.Facts, now time.Time) clusterSources {
	view := clusterSources{
		Cluster: facts.Cluster, Ready: facts.Ready, FactsVersion: facts.Version, Services: len(facts.Services),
		Doubts: append([]discovery.Doubt{}, facts.Doubts...), Sources: []sourceView{},
	}
	for _, service := range facts.Services {
		view.Instances += len(service.Instances)
		for i := range service.Instances {
			if service.Instances[i].Held != "" {
				view.Held++
			}
		}
	}
	for _, status := range facts.Sources {
		source := sourceView{SourceStatus: status}
		if !status.LastAnswer.IsZero() {
			age := now.Sub(status.LastAnswer).Round(time.Millisecond).Seconds()
			source.Age = &age
		}
		view.Sources = append(view.Sources, source)
	}
	return view
}

// accepted tells what an operator's belief has let go.
type accepted struct {
	Cluster string `json:"cluster"`
	Service string `json:"service,omitempty"`
	// Released is the number of instances that are gone now.
	Released int `json:"released"`
}

func (a *api) accept(s *pool.Snapshot, r *http.Request) (any, error) {
	values, err := query(r, "cluster", "service")
	if err != nil {
		return nil, err
	}
	cluster, service := values.Get("cluster"), values.Get("service")
	if cluster == "" {
		return nil, badInput("add ?cluster=NAME, and &service=NAME for one service only", "no cluster is named")
	}
	if err := knownCluster(s, cluster); err != nil {
		return nil, err
	}
	released, err := a.edge.Accept(cluster, service)
	if err != nil {
		return nil, err
	}
	return accepted{cluster, service, released}, nil
}

// knownCluster returns a problem that names the clusters there are, unless name is one of them.
func knownCluster(s *pool.Snapshot, name string) error {
	var names []string
	for _, c := range s.Clusters {
		if c.Name == name {
			return nil
		}
		names = append(names, c.Name)
	}
	return unknown("clusters here: "+listed(names), "no cluster is named %q", name)
}
