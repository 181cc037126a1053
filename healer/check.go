package healer

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fairlead/fairlead/discovery"
)

// Verdict is what `fairlead check` says. The same numbers give the same words, with no times in them: a check's changed output would
// fire watches.
type Verdict struct {
	State    State       `json:"state"`
	Services []CheckLine `json:"services"`
}

// CheckLine is the verdict on one service.
type CheckLine struct {
	State   State  `json:"state"`
	Cluster string `json:"cluster"`
	Service string `json:"service"`
	Present int    `json:"present"`
	Count   int    `json:"count"`
	// Reason says why nobody can tell.
	Reason string `json:"reason,omitempty"`
}

// Check compares what is wanted with the facts of the clusters. only names the services that are looked at, all if it is empty; one that
// is not wanted at all is an error.
func Check(d *Desired, facts []*discovery.Facts, only []string) (*Verdict, error) {
	services, err := d.choose(only)
	if err != nil {
		return nil, err
	}
	v := &Verdict{Services: []CheckLine{}}
	for _, s := range services {
		line := CheckLine{State: Unknown, Cluster: s.Cluster, Service: s.Domain, Count: s.Count, Reason: "nothing is known of cluster " + s.Cluster}
		of := func(f *discovery.Facts) bool { return f.Cluster == s.Cluster }
		if i := slices.IndexFunc(facts, of); i >= 0 {
			sight := Look(facts[i], []*Service{s}).Sights[s.Domain]
			line.State, line.Present, line.Reason = judge(s, sight), sight.Present, sight.Doubt
		}
		v.Services = append(v.Services, line)
	}
	v.State = worst(v.Services)
	return v, nil
}

// choose returns the services that are meant, in the order of the file.
func (d *Desired) choose(only []string) (chosen []*Service, err error) {
	if len(only) == 0 {
		return d.Services, nil
	}
	found := map[string]bool{}
	for _, s := range d.Services {
		for _, name := range only {
			if strings.EqualFold(name, s.Domain) || strings.EqualFold(name, s.Cluster+"/"+s.Domain) {
				found[name] = true
				if !slices.Contains(chosen, s) {
					chosen = append(chosen, s)
				}
			}
		}
	}
	for _, name := range only {
		if !found[name] {
			return nil, fmt.Errorf("no service %q is in the desired file; write its domain as there, or CLUSTER/DOMAIN", name)
		}
	}
	return chosen, nil
}

// severity orders the states: what is known to be wrong comes before what nobody can tell.
var severity = []State{Passing, Warning, Unknown, Critical}

func worst(lines []CheckLine) State {
	state := Passing
	for _, line := range lines {
		if slices.Index(severity, line.State) > slices.Index(severity, state) {
			state = line.State
		}
	}
	return state
}

// ExitCode is that of the command: 0 as wanted, 1 more, 2 fewer, 3 nobody can tell. Consul's script checks take 0 for passing, 1 for
// warning and all else for critical.
func (s State) ExitCode() int {
	switch s {
	case Passing:
		return 0
	case Warning:
		return 1
	case Critical:
		return 2
	}
	return 3
}

// WriteTable writes the verdict for people.
func (v *Verdict) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "STATE\tCLUSTER\tSERVICE\tPRESENT\tWANTED\tREASON")
	for _, line := range v.Services {
		present := fmt.Sprint(line.Present)
		if line.State == Unknown {
			present = "?"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", line.State, line.Cluster, line.Service, present, line.Count, line.Reason)
	}
	return table.Flush()
}

// WriteJSON writes the verdict for programs.
func (v *Verdict) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
