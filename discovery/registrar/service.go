package registrar

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
)

// Limits of Consul on Meta (agent/structs, ValidateServiceMetadata).
const (
	metaPairs    = 64
	metaKeyLen   = 128
	metaValueLen = 512
)

// metaToken is the key of Meta that marks the ACL token by which a service was registered. The agent goes on to use that token for all it
// tells the servers of the service, so another token calls for another registration, before the old one is deleted.
const metaToken = "registered_with"

var metaKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// service is an instance as it ought to be in the agent.
type service struct {
	instance *discovery.Instance
	want     *api.AgentServiceRegistration
	// refused says why it cannot be registered; what stands in the agent under its ID stays as it is.
	refused error
	// dropped says what of it Consul would not take and is left out.
	dropped string
	// stopping is why its source has it in maintenance, or empty.
	stopping string
}

// identity is who writes.
type identity struct {
	owner, node string
	names       []string // by which this host's agent is known too: a node that is named in the configuration later stays ours
	token       string   // mark of the ACL token, empty if there is none or it cannot be told
}

// owns reports whether what stands in the agent is ours.
func (o identity) owns(s *api.AgentService) bool {
	if s == nil || s.Meta[discovery.MetaOwner] != o.owner {
		return false
	}
	node := s.Meta[discovery.MetaNodeID]
	return node == o.node || node != "" && slices.Contains(o.names, node)
}

// build makes the service of an instance.
func (c Config) build(o identity, i *discovery.Instance) *service {
	s := &service{instance: i}
	if i.Health == discovery.Maintenance {
		s.stopping = stopMark + note(i.HealthNote, "its source has it in maintenance")
	}
	checks, err := attributes{instance: i, interval: c.CheckInterval, scripts: c.Scripts}.checks()
	switch {
	case i.ServiceID == "":
		s.refused = errors.New("the instance has no service ID")
	case i.Service == "":
		s.refused = errors.New("the instance has no service name")
	case i.Address == "":
		s.refused = errors.New("the instance has no address")
	case err != nil:
		s.refused = err
	default:
		_, s.refused = discovery.SelfStop(i.Meta)
	}
	s.want = &api.AgentServiceRegistration{
		ID: i.ServiceID, Name: i.Service, Address: i.Address, Port: int(i.Port), Tags: slices.Clone(i.Tags),
		Weights: &api.AgentWeights{Passing: max(1, i.Weights.Passing), Warning: max(1, i.Weights.Warning)},
		Checks:  checks,
	}
	s.want.Meta, s.dropped = meta(o, i.Meta)
	return s
}

func note(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// meta returns an instance's Meta with our mark, and what of it is left out because Consul would refuse the whole registration for it.
func meta(o identity, from map[string]string) (map[string]string, string) {
	out := map[string]string{discovery.MetaOwner: o.owner, discovery.MetaNodeID: o.node}
	if o.token != "" {
		out[metaToken] = o.token
	}
	var dropped []string
	for _, key := range slices.Sorted(maps.Keys(from)) {
		value := from[key]
		switch {
		case key == discovery.MetaOwner || key == discovery.MetaNodeID || key == metaToken:
		case !metaKey.MatchString(key) || len(key) > metaKeyLen || strings.HasPrefix(key, "consul-"):
			dropped = append(dropped, fmt.Sprintf("%.40q (Consul takes keys of letters, digits, _ and - only, up to %d)", key, metaKeyLen))
		case len(value) > metaValueLen:
			dropped = append(dropped, fmt.Sprintf("%q (longer than %d)", key, metaValueLen))
		case len(out) == metaPairs:
			dropped = append(dropped, fmt.Sprintf("%q (more than %d pairs)", key, metaPairs))
		default:
			out[key] = value
		}
	}
	if dropped == nil {
		return out, ""
	}
	return out, "left out of its Meta: " + strings.Join(dropped, ", ")
}

// differs says in what a service of ours in the agent is not what it ought to be, or nothing. What its checks found does not count.
func (s *service) differs(is *api.AgentService, checks map[string]*api.AgentCheck) string {
	w := s.want
	switch {
	case is.Service != w.Name:
		return "its name"
	case is.Address != w.Address || is.Port != w.Port:
		return "its address"
	case !slices.Equal(is.Tags, w.Tags):
		return "its tags"
	case !maps.Equal(is.Meta, w.Meta):
		return "its Meta"
	case is.Weights != *w.Weights:
		return "its weights"
	case is.EnableTagOverride || is.Kind != "":
		return "its kind"
	}
	for _, check := range w.Checks {
		if has := checks[check.CheckID]; has == nil || has.Notes != check.Notes && !bySource(check.CheckID, w.ID) {
			return "check " + check.CheckID
		}
	}
	if stale := s.stale(checks); len(stale) > 0 {
		return "check " + stale[0] + ", which it ought not to have"
	}
	return ""
}

// stale returns the IDs of the checks it has in the agent and ought not to have, its maintenance aside.
func (s *service) stale(checks map[string]*api.AgentCheck) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(checks)) {
		wanted := slices.ContainsFunc(s.want.Checks, func(c *api.AgentServiceCheck) bool { return c.CheckID == id })
		if !wanted && id != maintenanceCheck(s.want.ID) {
			ids = append(ids, id)
		}
	}
	return ids
}

// bySource reports whether a check is one of ours about what the source says. Its Notes tell why, and may say so otherwise each time.
func bySource(check, id string) bool { return strings.HasPrefix(check, "service:"+id+":"+sourceKind) }

// keeping returns what to register so that checks which are there keep what they found. Consul restores that by itself; we pass it
// along as well, so that it does not depend on it.
func (s *service) keeping(checks map[string]*api.AgentCheck) *api.AgentServiceRegistration {
	r := *s.want
	r.Checks = make(api.AgentServiceChecks, 0, len(s.want.Checks))
	for _, check := range s.want.Checks {
		c := *check
		if has := checks[c.CheckID]; has != nil && !bySource(c.CheckID, s.want.ID) {
			c.Status = has.Status
		}
		r.Checks = append(r.Checks, &c)
	}
	return &r
}
