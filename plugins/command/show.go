package command

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/discovery"
)

func init() {
	clientCommand(caddycmd.Command{
		Name: "explain", Usage: "HOST [--client ADDRESS] [--path PATH]",
		Short: "Says how a request for a host is answered, and why",
		Long:  "Decides as the proxy and the nameserver do, and shows what by: the cluster, the pool and its groups, every member with its\nstate and reason, and the member that would be chosen now.",
	}, func(cmd *cobra.Command) {
		cmd.Args = cobra.ExactArgs(1)
		cmd.Flags().String("client", "", "the client's IP address (this machine's own)")
		cmd.Flags().String("path", "", "the path of the request, for pools that hash by it")
	}, explain)
	clientCommand(caddycmd.Command{
		Name: "pools", Usage: "[--cluster NAME] [--prefix TEXT]",
		Short: "Lists the domains that are served, and by how many members",
	}, func(cmd *cobra.Command) {
		cmd.Args = cobra.NoArgs
		cmd.Flags().String("cluster", "", "the pools of one cluster only")
		cmd.Flags().String("prefix", "", "only pools whose name begins like this")
	}, pools)
}

// query makes the part of a URI behind the question mark, without what is empty.
func query(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return "?" + values.Encode()
}

// explanation is what /fairlead/explain tells, as far as it is printed.
type explanation struct {
	Host, Client, Code, Reason, Chosen string
	Status                             int
	Cluster                            struct {
		Name  string
		Doubt []discovery.Doubt
	}
	Refused []struct{ Cluster, Service, Reason string }
	Lane    []struct {
		Server, Reason, Engine string
		Serves                 bool
	}
	Pool *struct {
		Name, Policy, Why string
		Settings          map[string]struct{ Value, Origin string }
		Problems          []string
		Groups            []struct {
			Priority int
			Members  []struct {
				Instance, Address, State, Reason string
				Weight                           int
			}
		}
	}
}

func explain(cmd *cobra.Command, args []string, to *client) error {
	var answer explanation
	uri := "/fairlead/explain" + query("host", args[0], "client", text(cmd, "client"), "path", text(cmd, "path"))
	if shown, err := to.ask(cmd.Context(), http.MethodGet, uri, nil, &answer); err != nil || shown {
		return err
	}
	fmt.Fprintf(to.out, "%s for %s: %s, status %d\n%s\n", answer.Host, answer.Client, answer.Code, answer.Status, answer.Reason)
	for _, refused := range answer.Refused {
		fmt.Fprintf(to.out, "refused: service %s of cluster %s: %s\n", refused.Service, refused.Cluster, refused.Reason)
	}
	for _, doubt := range inWords(answer.Cluster.Name, answer.Cluster.Doubt) {
		fmt.Fprintln(to.out, doubt)
	}
	for _, lane := range answer.Lane {
		what := "served in the lane, by its engine " + lane.Engine
		if !lane.Serves {
			what = "not in the lane: " + lane.Reason
		}
		fmt.Fprintf(to.out, "server %s: %s\n", lane.Server, what)
	}
	if answer.Pool == nil {
		return nil
	}
	fmt.Fprintf(to.out, "pool %s of cluster %s, %s: %s\n", answer.Pool.Name, answer.Cluster.Name, answer.Pool.Policy, answer.Pool.Why)
	for _, key := range slices.Sorted(maps.Keys(answer.Pool.Settings)) {
		if set := answer.Pool.Settings[key]; set.Origin != "built-in" {
			fmt.Fprintf(to.out, "setting: %s %s, from %s\n", key, set.Value, set.Origin)
		}
	}
	for _, problem := range answer.Pool.Problems {
		fmt.Fprintf(to.out, "problem: %s\n", problem)
	}
	return table(to.out, []string{"", "PRIORITY", "INSTANCE", "ADDRESS", "STATE", "WEIGHT", "REASON"}, func(row func(...any)) {
		for _, group := range answer.Pool.Groups {
			for _, m := range group.Members {
				mark := ""
				if m.Instance == answer.Chosen {
					mark = "→"
				}
				row(mark, group.Priority, m.Instance, m.Address, m.State, m.Weight, m.Reason)
			}
		}
	})
}

func pools(cmd *cobra.Command, _ []string, to *client) error {
	type pool struct {
		Cluster, Name, Service, Why string
		Members, Up                 int
	}
	var all []pool
	for after := ""; ; {
		var answer struct {
			Pools []pool
			Next  string
		}
		uri := "/fairlead/pools" + query("cluster", text(cmd, "cluster"), "prefix", text(cmd, "prefix"), "after", after)
		if shown, err := to.ask(cmd.Context(), http.MethodGet, uri, nil, &answer); err != nil || shown {
			return err
		}
		all = append(all, answer.Pools...)
		if after = answer.Next; after == "" {
			break
		}
	}
	return table(to.out, []string{"CLUSTER", "POOL", "SERVICE", "UP", "MEMBERS", "WHY"}, func(row func(...any)) {
		for _, p := range all {
			row(p.Cluster, p.Name, p.Service, p.Up, p.Members, p.Why)
		}
	})
}

// sourcesAnswer is what /fairlead/sources tells.
type sourcesAnswer struct {
	Clusters []struct {
		Cluster                   string
		Ready                     bool
		Services, Instances, Held int
		Doubts                    []discovery.Doubt
		Sources                   []struct {
			discovery.SourceStatus
			Age *float64 `json:"age_seconds"`
		}
	}
}

func sources(cmd *cobra.Command, _ []string, to *client) error {
	var answer sourcesAnswer
	if shown, err := to.ask(cmd.Context(), http.MethodGet, "/fairlead/sources", nil, &answer); err != nil || shown {
		return err
	}
	only := text(cmd, "cluster")
	var doubts, refused []string
	err := table(to.out, []string{"CLUSTER", "READY", "SERVICES", "INSTANCES", "HELD", "SOURCE", "LAST ANSWER", "WATCHES"}, func(row func(...any)) {
		for _, c := range answer.Clusters {
			if only != "" && c.Cluster != only {
				continue
			}
			doubts = append(doubts, inWords(c.Cluster, c.Doubts)...)
			for _, s := range c.Sources {
				age := "never"
				if s.Age != nil {
					age = time.Duration(*s.Age*float64(time.Second)).Round(10*time.Millisecond).String() + " ago"
				}
				row(c.Cluster, c.Ready, c.Services, c.Instances, c.Held, s.Name, age, s.Watches)
				doubts = append(doubts, inWords(c.Cluster+", "+s.Name, s.Doubts)...)
				for _, r := range s.Refused {
					refused = append(refused, fmt.Sprintf("refused: %s, %s: %s", c.Cluster, s.Name, r))
				}
			}
		}
	})
	for _, line := range append(doubts, refused...) {
		fmt.Fprintln(to.out, line)
	}
	return err
}

func inWords(where string, doubts []discovery.Doubt) []string {
	var lines []string
	for _, d := range doubts {
		line := fmt.Sprintf("in doubt (%s) since %s: %s: %s", d.Kind, d.Since.Local().Format(time.DateTime), where, d.Reason)
		if !d.Until.IsZero() {
			line += ", until " + d.Until.Local().Format(time.DateTime)
		}
		lines = append(lines, line)
	}
	return lines
}

// table prints rows in columns.
func table(out io.Writer, head []string, fill func(row func(cells ...any))) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	fill(func(cells ...any) {
		var line []string
		for _, cell := range cells {
			line = append(line, fmt.Sprint(cell))
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(line, "\t"), "\t "))
	})
	return w.Flush()
}
