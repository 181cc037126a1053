package pool

import (
	"maps"
	"reflect"
	"slices"

	"github.com/fairlead/fairlead/discovery"
)

// clusterBuild makes one cluster of a snapshot, in three steps: compare finds what has to be looked at again, claimHeld (over all
// clusters) adds its findings, and run does the rest.
type clusterBuild struct {
	in      *Input
	cluster *ClusterInput
	facts   *discovery.Facts
	policy  *policy
	old     *Cluster // as it was, never nil
	memo    *memo    // of old, never nil
	// fresh is set where everything has to be looked at again: at first, and when the configuration or a guarded address changes.
	fresh   bool
	ordered bool // overrides or verdicts differ

	stale   map[string]*discovery.Service // to be looked at again
	removed []string
	held    []string          // services with held instances
	waiting map[string]*entry // not stale, but to be looked at again at some time
	claimed map[string]string

	wishes   map[string]wishes // of stale services
	disputed map[key]string    // names whose claims changed, with the service that holds each now
}

func newClusterBuild(prev *Snapshot, in *Input, index int, prefixes []prefix, g *guard) *clusterBuild {
	c := &clusterBuild{
		in: in, cluster: &in.Clusters[index], facts: in.Clusters[index].Facts, old: new(Cluster), memo: new(memo),
		stale: map[string]*discovery.Service{}, waiting: map[string]*entry{}, claimed: map[string]string{},
		wishes: map[string]wishes{}, disputed: map[key]string{},
	}
	if c.facts == nil {
		c.facts = discovery.NoFacts(c.cluster.Config.Name)
	}
	for _, old := range prev.Clusters {
		if old.Name == c.cluster.Config.Name && old.memo != nil {
			c.old, c.memo = old, old.memo
		}
	}
	c.policy = c.memo.policy
	if c.policy == nil || !c.policy.equal(c.cluster.Config, prefixes, g) {
		c.policy, c.fresh = newPolicy(c.cluster.Config, prefixes, g), true
	}
	return c
}

// compare finds the services that changed, went, or are to be looked at for another reason: an order or a verdict for one of their
// instances, or the time.
func (c *clusterBuild) compare() {
	touched := map[string]struct{}{}
	differing(touched, c.memo.overrides, c.cluster.Overrides)
	differing(touched, c.memo.verdicts, c.cluster.Verdicts)
	c.ordered = len(touched) > 0
	known := 0
	for name, s := range c.facts.Services {
		e := c.memo.entries[name]
		if e != nil {
			known++
		}
		if e == nil || c.fresh || !e.same(s) || e.dueAt(c.in.Now) || touches(touched, s) {
			c.stale[name] = s
			if slices.ContainsFunc(s.Instances, isHeld) {
				c.held = append(c.held, name)
			}
			continue
		}
		if e.held {
			c.held = append(c.held, name)
		}
		if !e.due.IsZero() {
			c.waiting[name] = e
		}
	}
	if known == len(c.memo.entries) {
		return
	}
	for name := range c.memo.entries {
		if c.facts.Services[name] == nil {
			c.removed = append(c.removed, name)
		}
	}
}

// differing adds the keys under which two maps differ.
func differing[V comparable](into map[string]struct{}, old, now map[string]V) {
	known := 0
	for id, v := range now {
		before, ok := old[id]
		if ok {
			known++
		}
		if !ok || before != v {
			into[id] = struct{}{}
		}
	}
	if known == len(old) {
		return
	}
	for id := range old {
		if _, ok := now[id]; !ok {
			into[id] = struct{}{}
		}
	}
}

func touches(ids map[string]struct{}, s *discovery.Service) bool {
	return len(ids) > 0 && slices.ContainsFunc(s.Instances, func(i discovery.Instance) bool {
		_, ok := ids[i.ID]
		return ok
	})
}

func isHeld(i discovery.Instance) bool { return i.Held != "" }

// eachHeld calls f with every held instance of the cluster.
func (c *clusterBuild) eachHeld(f func(*discovery.Instance)) {
	for _, name := range c.held {
		s := c.facts.Services[name]
		for i := range s.Instances {
			if isHeld(s.Instances[i]) {
				f(&s.Instances[i])
			}
		}
	}
}

// sharesWith reports whether an instance shared its address and port with those held for that reason when both were vouched for last.
func (c *clusterBuild) sharesWith(i *discovery.Instance, held string) bool {
	return slices.ContainsFunc(c.facts.Shared[i.ID], func(was *discovery.Instance) bool {
		return was.Held == held && placeOf(was) == placeOf(i)
	})
}

// run makes the cluster, or returns the old one if nothing in it differs.
func (c *clusterBuild) run() *Cluster {
	for _, name := range c.held {
		s := c.facts.Services[name]
		if slices.ContainsFunc(s.Instances, func(i discovery.Instance) bool { return c.claimed[i.ID] != c.memo.claimed[i.ID] }) {
			c.stale[name] = s
		}
	}
	c.settle()
	built := make(map[string]*entry, len(c.stale))
	for name, s := range c.stale {
		built[name] = c.entry(name, s)
	}
	names, differ := c.index(built)
	refusals := c.refusalsDiffer(built)
	if !c.fresh && !differ && !refusals && c.facts.Ready == c.old.Ready && sameDoubts(c.facts, c.old.Facts) {
		return c.old
	}
	config := &c.policy.config
	next := &Cluster{
		Name: config.Name, Prefix: c.policy.prefix(), Allow: config.Allow, Ready: c.facts.Ready, DNS: config.DNS,
		Exact: names[domainName], Wildcard: names[wildcardName], Services: names[serviceName],
		Facts: c.facts, Refused: c.old.Refused, memo: c.remember(built),
	}
	if refusals {
		next.Refused = next.memo.refusals()
	}
	return next
}

// sameDoubts reports whether the sources and what is doubted of them are the same; when they last answered does not matter.
func sameDoubts(a, b *discovery.Facts) bool {
	return a == b || slices.Equal(a.Doubts, b.Doubts) && slices.EqualFunc(a.Sources, b.Sources, func(x, y discovery.SourceStatus) bool {
		return x.Name == y.Name && x.Ready == y.Ready && slices.Equal(x.Doubts, y.Doubts)
	})
}

// same reports whether a service is as it was. A source may say the same again in new words.
func (e *entry) same(s *discovery.Service) bool {
	return e.service == s || reflect.DeepEqual(e.service.Instances, s.Instances)
}

// remember makes the memo for the next Build.
func (c *clusterBuild) remember(built map[string]*entry) *memo {
	m := &memo{policy: c.policy, overrides: c.memo.overrides, verdicts: c.memo.verdicts, claimed: c.claimed}
	if c.ordered {
		m.overrides, m.verdicts = maps.Clone(c.cluster.Overrides), maps.Clone(c.cluster.Verdicts)
	}
	if c.fresh {
		m.entries = built
	} else {
		m.entries = maps.Clone(c.memo.entries)
		for _, name := range c.removed {
			delete(m.entries, name)
		}
		maps.Copy(m.entries, built)
	}
	for name, e := range c.waiting {
		if built[name] == nil {
			m.due = earliest(m.due, e.due)
		}
	}
	for _, e := range built {
		m.due = earliest(m.due, e.due)
	}
	return m
}
