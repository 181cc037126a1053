package discovery

// Service is the complete set of a service's instances, as its source last said. Immutable once published, so that an unchanged
// service can be told by its pointer.
type Service struct {
	Name string `json:"name"`
	// Index is the source's version of this set, 0 where it has none.
	Index     uint64     `json:"index,omitempty"`
	Instances []Instance `json:"instances"` // by ID
}

// Facts is the merged, immutable view of one cluster at one moment.
type Facts struct {
	Cluster string
	// Version rises by one with every change of Services or Ready within this life of the process.
	Version uint64
	// Ready is false until the cluster has had facts: restored ones, or the first complete answer of every source.
	Ready bool
	// Services by name as registered. Read-only.
	Services map[string]*Service
	Sources  []SourceStatus
	// Doubts are the catalog's own (masses); those of the sources stand in Sources.
	Doubts []Doubt
	// Shared are the instances that had their address and port in common with held ones when both were vouched for last, by ID; each
	// as it was then, with the Held of the others: that it is vouched for still, or again, says nothing against those. Restored ones
	// stay there for as long as the process lives, those of a mass as long as the mass. Read-only.
	Shared map[string][]*Instance
}

// NoFacts returns the facts of a cluster that has not heard anything yet.
func NoFacts(cluster string) *Facts {
	return &Facts{Cluster: cluster, Services: map[string]*Service{}}
}

// InDoubt reports whether healing and deregistration must stop in the whole cluster: a source is in doubt as a whole, or has given no
// complete answer yet in this life of the process, so that what is known of it is restored at best; or a mass is held.
func (f *Facts) InDoubt() bool {
	for _, s := range f.Sources {
		if !s.Ready {
			return true
		}
		for _, d := range s.Doubts {
			if d.Service == "" {
				return true
			}
		}
	}
	return len(f.Doubts) > 0
}
