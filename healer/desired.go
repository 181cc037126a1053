package healer

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Desired is the content of a desired file, checked. It is never changed.
type Desired struct {
	// Version tells one content from another: the beginning of its SHA-256.
	Version  string
	Services []*Service // by cluster and domain
}

// In returns the services of one cluster, by domain.
func (d *Desired) In(cluster string) (services []*Service) {
	if d == nil {
		return nil
	}
	for _, s := range d.Services {
		if s.Cluster == cluster {
			services = append(services, s)
		}
	}
	return services
}

// Parse reads a desired file. Clusters are those configured, the first of which is meant where an entry names none. An error names
// the file, the line and the entry, and what to do.
func Parse(file string, text []byte, clusters []string) (*Desired, error) {
	p := newParser(file, text)
	entries, err := p.file()
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: no services: an empty list is not taken for \"nothing is wanted\"; to have nothing healed, take the block heal out of the configuration", file)
	}
	checker := checker{clusters: clusters, domains: map[string]int{}, owners: map[string]int{}}
	d := &Desired{Version: version(text)}
	for n, e := range entries {
		if err := checker.check(n+1, &e.Service); err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", file, e.line, e.name(n+1), err)
		}
		d.Services = append(d.Services, &e.Service)
	}
	slices.SortFunc(d.Services, func(a, b *Service) int {
		return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Domain, b.Domain))
	})
	return d, nil
}

func version(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// checker holds what has been said in the entries before.
type checker struct {
	clusters []string
	domains  map[string]int // cluster and domain → entry
	owners   map[string]int // what runs the copies → entry
}

// check refuses an entry that makes no sense, and fills in its defaults.
func (c *checker) check(n int, s *Service) error {
	s.Cluster = cmp.Or(s.Cluster, c.clusters[0])
	if !slices.Contains(c.clusters, s.Cluster) {
		return fmt.Errorf("field cluster: no cluster %q is configured; there is %s", s.Cluster, strings.Join(c.clusters, ", "))
	}
	var err error
	if s.Domain, err = serviceName(s.Domain); err != nil {
		return fmt.Errorf("field domain: %w", err)
	}
	if err := checkCount(s); err != nil {
		return err
	}
	if !slices.Contains([]string{"", onPartitionReplace, onPartitionHold, onPartitionSelfStop}, s.OnPartition) {
		return fmt.Errorf(`field on_partition: %q is none of "replace", "hold" and "self_stop"`, s.OnPartition)
	}
	if _, err := discovery.SelfStop(map[string]string{discovery.MetaSelfStop: s.Run.Labels[SelfStopLabel]}); err != nil {
		return fmt.Errorf("field run: labels: %s: %w", SelfStopLabel, err)
	}
	if err := s.Run.check(); err != nil {
		return fmt.Errorf("field run: %w", err)
	}
	if first := c.domains[s.Cluster+"/"+s.Domain]; first != 0 {
		return fmt.Errorf("%s of cluster %s is wanted already by service %d; one entry says how many", s.Domain, s.Cluster, first)
	}
	c.domains[s.Cluster+"/"+s.Domain] = n
	owner := "swarm " + s.Run.Swarm
	if s.Run.Image != "" {
		// The containers are named by the domain: two clusters would fight for the names on one engine.
		owner = "host " + s.Run.Host + " " + s.Domain
	}
	if first := c.owners[owner]; first != 0 {
		return fmt.Errorf("field run: service %d runs the same copies; one of the two must go", first)
	}
	c.owners[owner] = n
	return nil
}

func checkCount(s *Service) error {
	switch {
	case s.Count < 1:
		return fmt.Errorf("field count: %d; nothing is ever scaled to 0: take the entry out, or pause the service", s.Count)
	case s.Count == 1 && !s.Singleton:
		return errors.New(`field count: 1; want at least 2, or "singleton": true for what must not run twice`)
	case s.Count > 1 && s.Singleton:
		return fmt.Errorf("field singleton: there cannot be %d of a singleton", s.Count)
	case s.Count > 10000:
		return fmt.Errorf("field count: %d is more than 10000", s.Count)
	case s.MinAvailable < 0 || s.MinAvailable > s.Count:
		return fmt.Errorf("field min_available: %d is not between 0 and the count of %d", s.MinAvailable, s.Count)
	}
	return nil
}

// serviceName returns the canonical form of a domain, or of a service's name without a dot.
func serviceName(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("it is missing")
	case strings.HasPrefix(name, "*."):
		return "", errors.New("a wildcard names no service; write the service's name, or another of its domains")
	case strings.Contains(name, "."):
		return pool.ParseDomain(name)
	}
	if _, err := pool.ParseDomain(name + ".service"); err != nil {
		return "", fmt.Errorf("%q is neither a domain nor the name of a service", name)
	}
	return strings.ToLower(name), nil
}

// check refuses what no runtime could run.
func (r *Run) check() error {
	switch {
	case r.Swarm == "" && r.Image == "":
		return errors.New(`nothing to run: want "swarm" with a service's name, or "image"`)
	case r.Swarm != "" && r.Image != "":
		return errors.New("both swarm and image: a service is Swarm's or a plain engine's, not both")
	case r.Swarm != "" && !(r.Host == "" && r.Port == 0 && r.Command == nil && r.Env == nil && r.Labels == nil && r.Mounts == nil):
		return errors.New(`nothing can stand beside "swarm": the Swarm service itself says how its copies run`)
	case strings.ContainsAny(r.Swarm+r.Image, " \t\r\n"):
		return errors.New("a name with white space in it")
	case strings.ContainsAny(r.Host, ", \t\r\n"):
		return errSeveralHosts
	}
	for key := range r.Env {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return fmt.Errorf("env: %q is no name of a variable", key)
		}
	}
	if _, empty := r.Labels[""]; empty {
		return errors.New("labels: a label without a name")
	}
	for i, m := range r.Mounts {
		if m.Source == "" || !path.IsAbs(m.Target) {
			return fmt.Errorf("mounts: entry %d: want a source, and a target that begins with /", i+1)
		}
	}
	return nil
}

// errSeveralHosts answers a wish that only Swarm can fulfil: one engine fences its names, two do not.
var errSeveralHosts = errors.New("field host: copies on a plain engine belong to exactly one engine; to spread them over hosts, make it a Swarm service")
