package pool

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// Build makes the snapshot that follows prev from all that is known now. It is pure but for taking meters from in.Meters, and
// needs prev for three things only: to leave alone what has not changed, to tell who has just come up (slow start), and to count
// versions. prev may be nil.
//
// Where nothing differs, prev itself is returned and changed is false. Pools and clusters that did not change keep their pointers.
// What has to be looked at again is told by the pointers of discovery.Service, so that one change costs one pool, and copies of
// the maps of its cluster.
func Build(prev *Snapshot, in Input) (next *Snapshot, changed bool) {
	if prev == nil {
		prev, changed = new(Snapshot), true
	}
	builds := make([]*clusterBuild, len(in.Clusters))
	prefixes, g := prefixesOf(in.Clusters), &guard{own: in.Own, local: in.Local}
	for i := range in.Clusters {
		builds[i] = newClusterBuild(prev, &in, i, prefixes, g)
		builds[i].compare()
	}
	claimHeld(builds)
	next = &Snapshot{Version: prev.Version + 1, Trusted: in.Trusted}
	for i, b := range builds {
		cluster := b.run()
		next.Clusters = append(next.Clusters, cluster)
		next.due = earliest(next.due, cluster.memo.due)
		changed = changed || i >= len(prev.Clusters) || cluster != prev.Clusters[i]
	}
	if !changed && len(prev.Clusters) == len(builds) && slices.Equal(prev.Trusted, in.Trusted) {
		return prev, false
	}
	return next, true
}

func prefixesOf(clusters []ClusterInput) []prefix {
	var prefixes []prefix
	for _, c := range clusters {
		if c.Config.Prefix != "" {
			prefixes = append(prefixes, prefix{lower(c.Config.Prefix), c.Config.Name})
		}
	}
	return prefixes
}

// claimHeld finds the held instances at whose address and port something else of any cluster is registered now. Ports of hosts are
// reused, and an old address may be another site's by now. Those that shared the address when both were vouched for take nothing
// from each other. The search costs a look at every instance, but only in doubt.
func claimHeld(builds []*clusterBuild) {
	wanted := map[place][]string{} // why instances are held there
	for _, b := range builds {
		b.eachHeld(func(i *discovery.Instance) {
			if at := placeOf(i); !slices.Contains(wanted[at], i.Held) {
				wanted[at] = append(wanted[at], i.Held)
			}
		})
	}
	if len(wanted) == 0 {
		return
	}
	claimers := map[heldAt]string{} // the first instance by ID
	for _, b := range builds {
		for _, s := range b.facts.Services {
			for i := range s.Instances {
				b.claimPlace(&s.Instances[i], wanted, claimers)
			}
		}
	}
	for _, b := range builds {
		b.eachHeld(func(i *discovery.Instance) {
			if claimer := claimers[heldAt{placeOf(i), i.Held}]; claimer != "" {
				b.claimed[i.ID] = claimer
			}
		})
	}
}

// heldAt stands for the instances held at one place for one reason.
type heldAt struct {
	place
	why string
}

// claimPlace notes an instance that is not held as the claimer of its place, unless one with a lesser ID is.
func (c *clusterBuild) claimPlace(i *discovery.Instance, wanted map[place][]string, claimers map[heldAt]string) {
	if i.Held != "" {
		return
	}
	at := placeOf(i)
	for _, why := range wanted[at] {
		key := heldAt{at, why}
		if first, some := claimers[key]; (!some || i.ID < first) && !c.sharesWith(i, why) {
			claimers[key] = i.ID
		}
	}
}

// memo is what Build remembers of a cluster for the next time. Immutable, like the snapshot it belongs to.
type memo struct {
	policy    *policy
	overrides map[string]Override
	verdicts  map[string]Verdict
	claimed   map[string]string // held instances by ID, with the ID of the one that has their address now
	entries   map[string]*entry // by service
	due       time.Time
}

// entry is what Build remembers of a service.
type entry struct {
	service *discovery.Service
	wishes  wishes
	lost    []Refusal
	pools   []holding
	held    bool // has instances that are held
	due     time.Time
}

// holding is a name with the pool it leads to.
type holding struct {
	key
	pool *Pool
}
