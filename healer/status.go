package healer

import "time"

// State is what the facts say of a service, by the numbers alone.
type State string

// The states of a service.
const (
	Passing  State = "passing"  // as many present as wanted
	Warning  State = "warning"  // more
	Critical State = "critical" // fewer
	Unknown  State = "unknown"  // nobody can tell
)

// judge returns a service's state.
func judge(s *Service, sight *Sight) State {
	switch {
	case sight.Doubt != "":
		return Unknown
	case sight.Present < s.Count:
		return Critical
	case sight.Present > s.Count:
		return Warning
	}
	return Passing
}

// ServiceStatus is what is shown of one service.
type ServiceStatus struct {
	Service string `json:"service"`
	Cluster string `json:"cluster"`
	State   State  `json:"state"`
	Present int    `json:"present"`
	Count   int    `json:"count"`
	// Reason says why the state is unknown.
	Reason string `json:"reason,omitempty"`
	// Wanted is the repair that the healer would make or makes now; Gate and Refusal say what keeps it from that.
	Wanted  string `json:"wanted,omitempty"`
	Gate    Gate   `json:"gate,omitempty"`
	Refusal string `json:"refusal,omitempty"`
	// Flight is the repair under way, Quarantine what was given up, LastError what became of the last repair that failed.
	Flight     *Flight  `json:"flight,omitempty"`
	Quarantine []string `json:"quarantine,omitempty"`
	LastError  string   `json:"last_error,omitempty"`
	// Problems are the engine's words for copies that do not run.
	Problems []string `json:"problems,omitempty"`
}

// Status is what is shown of the healer of one cluster, as of its last round.
type Status struct {
	Cluster string `json:"cluster"`
	// At is the time of the last round; zero before the first.
	At time.Time `json:"at,omitzero"`
	// Leading says that this healer is the one that acts. DryRun says that it only plans.
	Leading      bool      `json:"leading"`
	LeadingSince time.Time `json:"leading_since,omitzero"`
	DryRun       bool      `json:"dry_run,omitempty"`
	// Desired is the version of the desired file in force, Problem what is wrong with the file now.
	Desired string `json:"desired,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Doubt, Blind and Frozen say why nothing is healed at all.
	Doubt  string `json:"doubt,omitempty"`
	Blind  string `json:"blind,omitempty"`
	Frozen string `json:"frozen,omitempty"`
	// JournalProblems name documents that make no sense.
	JournalProblems []string        `json:"journal_problems,omitempty"`
	Pauses          []Pause         `json:"pauses,omitempty"`
	Drains          []DrainStatus   `json:"drains,omitempty"`
	Services        []ServiceStatus `json:"services"`
	// Totals count repairs since the process started, for metrics.
	Totals Totals `json:"totals"`
}

// Totals count what became of repairs, and rounds.
type Totals struct {
	Rounds   int          `json:"rounds"`
	Planned  map[Kind]int `json:"planned"`
	Verified int          `json:"verified"`
	Failed   int          `json:"failed"`
	Fenced   int          `json:"fenced"`
	GaveUp   int          `json:"gave_up"`
}
