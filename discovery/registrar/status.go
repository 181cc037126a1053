package registrar

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

// Status is what an operator can know of a registrar.
type Status struct {
	Owner string `json:"owner"`
	// NodeID names this host in what is ours; empty until the agent was met, if it is not configured.
	NodeID string       `json:"node_id,omitempty"`
	Source SourceStatus `json:"source"`
	Agent  AgentStatus  `json:"agent"`
	Counts Counts       `json:"counts"`
	Writes Writes       `json:"writes"`
	// Items are the services with which something is wrong, by ID.
	Items []Item `json:"items,omitempty"`
}

// SourceStatus is what is known of where instances come from. While it is not up nothing is deregistered.
type SourceStatus struct {
	Name   string            `json:"name"`
	Up     bool              `json:"up"`
	Reason string            `json:"reason,omitempty"` // why it is not up
	Doubts []discovery.Doubt `json:"doubts,omitempty"`
	// Refused is as in discovery.SourceStatus.
	Refused []string `json:"refused,omitempty"`
}

// AgentStatus is what is known of Consul's agent.
type AgentStatus struct {
	Address string `json:"address"`
	Node    string `json:"node,omitempty"` // as it names itself
	Up      bool   `json:"up"`
	// Leader says that the agent knows a leader. Without one nothing is written.
	Leader     bool      `json:"leader"`
	Reason     string    `json:"reason,omitempty"` // why it is not up, or why nothing is written
	LastAnswer time.Time `json:"last_answer,omitzero"`
}

// Counts are numbers of services at the last comparison.
type Counts struct {
	Desired  int `json:"desired"`  // that ought to be in the agent
	Agreeing int `json:"agreeing"` // that are, as they ought to be
	Pending  int `json:"pending"`  // that need something done still, deregistrations among them
	Kept     int `json:"kept"`     // that left the source while it was in doubt
	Ghosts   int `json:"ghosts"`   // that are ours and unknown to the source, kept until the probation is over and the source complete
	Strange  int `json:"strange"`  // that are ours by their Meta and were put there by another registrar
	Drained  int `json:"drained"`  // that an order keeps in maintenance
}

// Writes count what the agent has taken since the start.
type Writes struct {
	Registered   uint64 `json:"registered"`
	Deregistered uint64 `json:"deregistered"`
	Drained      uint64 `json:"drained"`
	Resumed      uint64 `json:"resumed"`
	Failed       uint64 `json:"failed"`
}

// Item is what is wrong with one service.
type Item struct {
	ServiceID string `json:"service_id"`
	Service   string `json:"service,omitempty"`
	// Error says why it is not in the agent as it ought to be; Note what is amiss although it is.
	Error    string    `json:"error,omitempty"`
	Note     string    `json:"note,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Next     time.Time `json:"next,omitzero"` // the next try
}

// Healthy reports whether both sides are up, the servers can be reached through the agent, and no service has an error.
func (s *Status) Healthy() bool {
	return s.Source.Up && s.Agent.Up && s.Agent.Leader && s.Counts.Strange == 0 &&
		!slices.ContainsFunc(s.Items, func(i Item) bool { return i.Error != "" })
}

// Status returns how things stand. The caller owns the result.
func (r *Registrar) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Source.Reason = r.desired.trouble()
	s.Source.Up = s.Source.Reason == ""
	s.Source.Doubts = slices.Clone(r.desired.doubts)
	s.Source.Refused = slices.Clone(r.desired.refused)
	s.Items = slices.Clone(s.Items)
	s.Counts.Drained = len(r.drained)
	return s
}

// report keeps the outcome of a comparison for Status. Its caller holds mu.
func (r *Registrar) report(s *situation, p *plan) {
	items := map[string]Item{}
	for id, w := range s.wanted {
		if w.dropped != "" {
			items[id] = Item{ServiceID: id, Service: w.instance.Service, Note: w.dropped}
		}
	}
	for _, id := range p.strange {
		items[id] = Item{ServiceID: id, Service: s.has.services[id].Service, Error: strange}
	}
	for id, at := range r.attempts.all {
		if at.err != nil {
			items[id] = Item{ServiceID: id, Service: at.name, Error: at.err.Error(), Attempts: at.failures, Since: at.since, Next: at.next}
		}
	}
	for id, err := range p.refused {
		items[id] = Item{ServiceID: id, Service: s.wanted[id].instance.Service, Error: err.Error()}
	}
	r.status.Items = slices.SortedFunc(maps.Values(items), func(a, b Item) int { return cmp.Compare(a.ServiceID, b.ServiceID) })
	open := 0
	for _, a := range p.actions {
		if at := r.attempts.all[a.id]; at == nil || !at.taken {
			open++
		}
	}
	r.status.Counts = Counts{
		Desired: len(s.wanted), Agreeing: p.agreeing + len(p.actions) - open, Pending: open, Kept: len(r.desired.kept),
		Ghosts: len(p.ghosts), Strange: len(p.strange),
	}
}

// strange is said of what another registrar must have registered.
const strange = "it appeared under our owner and node, but not by our hand: another registrar with the same owner and node writes to this agent; " +
	"give each its own owner, stop one, then restart this one to have what is left over removed"
