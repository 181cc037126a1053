package proxy

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

// sighting is when a domain was last served, and by which cluster.
type sighting struct {
	Cluster string    `json:"cluster"`
	Seen    time.Time `json:"seen"`
}

// grant is a name below a wildcard that may get a certificate: since when, and when it was last asked for.
type grant struct {
	Wildcard string    `json:"wildcard"`
	Granted  time.Time `json:"granted"`
	Used     time.Time `json:"used"`
}

// sightings remember the domains that were served, by the names clients use (a wildcard with its star behind the cluster's prefix),
// and the names granted below wildcards. Safe for concurrent use; reads no clock.
type sightings struct {
	mu      sync.Mutex
	domains map[string]sighting
	granted map[string]grant
	recent  map[string][]time.Time // grants within the window, by wildcard
}

func newSightings() *sightings {
	return &sightings{domains: map[string]sighting{}, granted: map[string]grant{}, recent: map[string][]time.Time{}}
}

// saw notes that domains are served at this moment, or were until now.
func (s *sightings) saw(domains map[string]*pool.Cluster, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range domains {
		s.domains[name] = sighting{Cluster: c.Name, Seen: now}
	}
}

// last returns a domain's last sighting.
func (s *sightings) last(domain string) (sighting, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.domains[domain]
	return at, ok
}

// grant reports whether a name below a wildcard may have a certificate: always if it was granted before, else if fewer than most
// names were granted under the wildcard within the window. fresh tells that it is a new grant.
func (s *sightings) grant(name, wildcard string, now time.Time, most int, window time.Duration) (ok, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, known := s.granted[name]; known && g.Wildcard == wildcard {
		g.Used = now
		s.granted[name] = g
		return true, false
	}
	recent := slices.DeleteFunc(s.recent[wildcard], func(t time.Time) bool { return now.Sub(t) >= window })
	if len(recent) >= most {
		s.recent[wildcard] = recent
		return false, false
	}
	s.recent[wildcard] = append(recent, now)
	s.granted[name] = grant{Wildcard: wildcard, Granted: now, Used: now}
	return true, true
}

// forget drops what was last seen or asked for before a moment.
func (s *sightings) forget(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.domains, func(_ string, at sighting) bool { return at.Seen.Before(before) })
	maps.DeleteFunc(s.granted, func(_ string, g grant) bool { return g.Used.Before(before) })
}

// copies returns what is to be saved.
func (s *sightings) copies() (map[string]sighting, map[string]grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.domains), maps.Clone(s.granted)
}

// restore takes over what was saved. The grants count towards the limit again, so that restarts do not widen it.
func (s *sightings) restore(domains map[string]sighting, granted map[string]grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.domains, domains)
	maps.Copy(s.granted, granted)
	for _, g := range granted {
		s.recent[g.Wildcard] = append(s.recent[g.Wildcard], g.Granted)
	}
}
