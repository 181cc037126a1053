package healer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/discovery"
)

// View is what a cluster's facts say of the services wanted in it. It is made anew for each round and never changed.
type View struct {
	Cluster string
	// Doubt says why nothing can be told of the whole cluster, nothing if it can.
	Doubt string
	// Nodes are those with any instance on them: true for those that live.
	Nodes map[string]bool
	// Sights are by the service's domain, one for each service wanted.
	Sights map[string]*Sight
}

// Sight is what the facts say of one service.
type Sight struct {
	// Doubt says why nothing can be told of the service.
	Doubt string
	// Present counts the instances that are registered and passing or warning.
	Present int
	// Instances are all that are registered, by ID. They belong to the catalog.
	Instances []*discovery.Instance
	// Lost are the nodes on which copies are registered, and which are lost.
	Lost []string
}

// Look finds the services in a cluster's facts.
func Look(facts *discovery.Facts, services []*Service) *View {
	v := &View{Cluster: facts.Cluster, Doubt: clusterDoubt(facts), Nodes: nodes(facts), Sights: make(map[string]*Sight, len(services))}
	holders := holders(facts)
	for _, s := range services {
		v.Sights[s.Domain] = v.look(facts, s.Domain, holders[s.Domain])
	}
	return v
}

func (v *View) look(facts *discovery.Facts, domain string, registered *discovery.Service) *Sight {
	sight := &Sight{Doubt: cmp.Or(v.Doubt, serviceDoubt(facts, domain, registered))}
	if registered == nil {
		return sight
	}
	for k := range registered.Instances {
		i := &registered.Instances[k]
		sight.Instances = append(sight.Instances, i)
		if i.Present() {
			sight.Present++
		}
		if !v.Nodes[i.Node] && !slices.Contains(sight.Lost, i.Node) {
			sight.Lost = append(sight.Lost, i.Node)
		}
		if i.Held != "" && sight.Doubt == "" {
			sight.Doubt = i.ServiceID + " is not vouched for by its source: " + i.Held
		}
	}
	return sight
}

// clusterDoubt says why healing must stop in the whole cluster.
func clusterDoubt(facts *discovery.Facts) string {
	if !facts.Ready {
		return "nothing is known of cluster " + facts.Cluster + " yet"
	}
	for _, source := range facts.Sources {
		for _, d := range source.Doubts {
			if d.Service == "" {
				return source.Name + ": " + d.Reason
			}
		}
	}
	if len(facts.Doubts) > 0 {
		return facts.Doubts[0].Reason
	}
	if facts.InDoubt() {
		return "cluster " + facts.Cluster + " is in doubt"
	}
	return ""
}

// serviceDoubt says why nothing can be told of one service. A doubt may be about the name it is registered by, or about its domain
// where it is registered by none.
func serviceDoubt(facts *discovery.Facts, domain string, registered *discovery.Service) string {
	for _, source := range facts.Sources {
		for _, d := range source.Doubts {
			name := strings.ToLower(d.Service)
			if d.Service != "" && (name == domain || registered != nil && d.Service == registered.Name) {
				return source.Name + ": " + d.Reason
			}
		}
	}
	return ""
}

// serf is what Consul calls the check of whether a node is reached by the others.
const serf = "Serf Health Status"

// nodes finds the nodes and whether they live. One is lost if Consul's members do not reach it: then nothing on it is present, and
// that check is named as the cause. A node that has only failing services lives.
func nodes(facts *discovery.Facts) map[string]bool {
	lost, well := map[string]bool{}, map[string]bool{}
	nodes := map[string]bool{}
	for _, s := range facts.Services {
		for k := range s.Instances {
			i := &s.Instances[k]
			nodes[i.Node] = true
			well[i.Node] = well[i.Node] || i.Present()
			lost[i.Node] = lost[i.Node] || i.Health == discovery.Critical && strings.HasPrefix(i.HealthNote, serf)
		}
	}
	for node := range nodes {
		nodes[node] = well[node] || !lost[node]
	}
	return nodes
}

// holders finds which registered service holds a name: the service named so, else the alphabetically first that claims it in its
// Meta, as for the proxy.
func holders(facts *discovery.Facts) map[string]*discovery.Service {
	type claim struct {
		service *discovery.Service
		own     bool
	}
	claims := map[string]claim{}
	hear := func(name string, s *discovery.Service, own bool) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		old, taken := claims[name]
		if !taken || own && !old.own || own == old.own && s.Name < old.service.Name {
			claims[name] = claim{s, own}
		}
	}
	for _, s := range facts.Services {
		hear(s.Name, s, true)
		for k := range s.Instances {
			for _, domain := range metaDomains(s.Instances[k].Meta) {
				hear(domain, s, false)
			}
		}
	}
	holders := make(map[string]*discovery.Service, len(claims))
	for name, c := range claims {
		holders[name] = c.service
	}
	return holders
}

// metaDomains returns the domains claimed in Meta: in domain, domain_2, domain_3 and so on, each a list with commas.
func metaDomains(meta map[string]string) (domains []string) {
	for key, list := range meta {
		number, more := strings.CutPrefix(key, "domain_")
		if n, err := strconv.Atoi(number); key != "domain" && (!more || err != nil || n < 2) {
			continue
		}
		for domain := range strings.SplitSeq(list, ",") {
			if domain = strings.TrimSpace(domain); domain != "" {
				domains = append(domains, domain)
			}
		}
	}
	return domains
}

// isOf reports whether an instance was registered for a container or task: by its Meta, or, if somebody else's registrar wrote it, by a
// service ID in which the container's ID or name stands, as in Registrator's host:name:port.
func isOf(i *discovery.Instance, c *Copy) bool {
	if container := i.Meta[discovery.MetaContainer]; container != "" {
		return container == c.ID || i.Meta[discovery.MetaSwarmTask] == c.ID
	}
	if len(c.ID) >= shortID && strings.Contains(i.ServiceID, c.ID[:shortID]) {
		return true
	}
	return c.Name != "" && slices.Contains(strings.Split(i.ServiceID, ":"), c.Name)
}

// shortID is how many characters of a container's ID Docker shows, and are enough to tell containers apart.
const shortID = 12

// registered returns the instances of a copy.
func (s *Sight) registered(c *Copy) (all []*discovery.Instance) {
	for _, i := range s.Instances {
		if isOf(i, c) {
			all = append(all, i)
		}
	}
	return all
}

// list names the instances for people.
func (s *Sight) list() string {
	words := make([]string, 0, len(s.Instances))
	for _, i := range s.Instances {
		word := i.Node + "/" + i.ServiceID
		if i.Health != discovery.Passing {
			word += fmt.Sprintf(" (%s)", i.Health)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
