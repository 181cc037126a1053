package command

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/healer"
)

func init() {
	register(caddycmd.Command{
		Name: "heal", Usage: "--dry-run [--cluster NAME]",
		Short: "Says what would be healed now, and what keeps it from being healed",
		Long: "Says of each service that is not as wanted which repair the running Fairlead would make now, and which of its gates refuses that and\n" +
			"why. Healing itself needs no command: `fairlead run` does it where the configuration has the block heal.",
		CobraFunc: func(cmd *cobra.Command) {
			asClient(cmd, func(cmd *cobra.Command) {
				cmd.Args = cobra.NoArgs
				clusterFlag(cmd)
				cmd.Flags().Bool("dry-run", false, "say what would be done, and do nothing")
			}, plan)
			cmd.AddCommand(pauseCommand(), resumeCommand(), forgiveCommand())
		},
	})
}

// pauseCommand and those that follow are the orders to a healer.
func pauseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause [--service NAME | --host NAME | --brake] --reason TEXT --for DURATION [--cluster NAME]",
		Short: "Leaves a service, a host or everything alone for a while",
		Long: "Has every healer of the cluster leave alone a service, a host, or everything if neither is named. With --brake the fleet brake is\n" +
			"lifted instead: healing goes on for that long although much is wrong at once.",
	}
	asClient(cmd, func(cmd *cobra.Command) {
		scopeFlags(cmd)
		cmd.Flags().String("reason", "", "why, for the next one to read")
		cmd.Flags().String("author", author(), "who orders it")
		cmd.Flags().String("for", "", "how long, such as 2h")
	}, pause)
	return cmd
}

func resumeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "resume [--service NAME | --host NAME | --brake] [--cluster NAME]", Short: "Ends a pause"}
	asClient(cmd, scopeFlags, resume)
	return cmd
}

func forgiveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "forgive SERVICE [--cluster NAME]", Short: "Has what was given up for a service tried again",
		Long: "Forgets the attempts at a service, after what made them fail has been mended. SERVICE is its domain.",
	}
	asClient(cmd, func(cmd *cobra.Command) {
		cmd.Args = cobra.ExactArgs(1)
		clusterFlag(cmd)
	}, forgive)
	return cmd
}

func scopeFlags(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	clusterFlag(cmd)
	cmd.Flags().String("service", "", "a service, by its domain")
	cmd.Flags().String("host", "", "a host, by its node's name")
	cmd.Flags().Bool("brake", false, "the fleet brake")
	cmd.MarkFlagsMutuallyExclusive("service", "host", "brake")
}

func scope(cmd *cobra.Command) (scope healer.Scope, name string) {
	brake, _ := cmd.Flags().GetBool("brake")
	switch {
	case cmd.Flags().Changed("service"):
		return healer.PauseService, text(cmd, "service")
	case cmd.Flags().Changed("host"):
		return healer.PauseHost, text(cmd, "host")
	case brake:
		return healer.PauseBrake, ""
	}
	return healer.PauseAll, ""
}

// clusterPause is a pause as the admin API shows it.
type clusterPause struct {
	Cluster string
	healer.Pause
}

// what names what a pause is of.
func (p *clusterPause) what() string {
	switch p.Scope {
	case healer.PauseAll:
		return "healing of cluster " + p.Cluster
	case healer.PauseBrake:
		return "fleet brake of cluster " + p.Cluster
	}
	return fmt.Sprintf("%s %s of cluster %s", p.Scope, p.Name, p.Cluster)
}

func pause(cmd *cobra.Command, _ []string, to *client) error {
	switch {
	case text(cmd, "reason") == "":
		return errors.New(`say why, by --reason "new disk": the next one will ask`)
	case text(cmd, "for") == "":
		return errors.New("say how long, by --for 2h: a healer that is forgotten in a pause is none")
	}
	scope, name := scope(cmd)
	order := map[string]any{
		"cluster": text(cmd, "cluster"), "scope": scope, "name": name,
		"author": text(cmd, "author"), "reason": text(cmd, "reason"), "ttl": text(cmd, "for"),
	}
	var set clusterPause
	if shown, err := to.ask(cmd.Context(), http.MethodPut, "/fairlead/healer/pauses", order, &set); err != nil || shown {
		return err
	}
	_, err := fmt.Fprintf(to.out, "paused: %s, until %s\n", set.what(), set.Expires.Local().Format(time.DateTime))
	return err
}

func resume(cmd *cobra.Command, _ []string, to *client) error {
	scope, name := scope(cmd)
	uri := "/fairlead/healer/pauses" + query("cluster", text(cmd, "cluster"), "scope", string(scope), "name", name)
	var ended clusterPause
	if shown, err := to.ask(cmd.Context(), http.MethodDelete, uri, nil, &ended); err != nil || shown {
		return err
	}
	_, err := fmt.Fprintf(to.out, "resumed: %s, paused by %s: %s\n", ended.what(), ended.Author, ended.Reason)
	return err
}

func forgive(cmd *cobra.Command, args []string, to *client) error {
	var answer struct{ Cluster, Service string }
	uri := "/fairlead/healer/forgive" + query("cluster", text(cmd, "cluster"), "service", args[0])
	if shown, err := to.ask(cmd.Context(), http.MethodPost, uri, nil, &answer); err != nil || shown {
		return err
	}
	_, err := fmt.Fprintf(to.out, "forgiven: the attempts at %s of cluster %s\n", answer.Service, answer.Cluster)
	return err
}

// planAnswer is what /fairlead/healer/plan tells, as far as it is printed.
type planAnswer struct {
	Clusters []struct {
		Cluster                       string
		At                            time.Time
		Leading                       bool
		DryRun                        bool `json:"dry_run"`
		Problem, Doubt, Blind, Frozen string
		Pauses                        []healer.Pause
		Drains                        []healer.DrainStatus
		Services                      []healer.ServiceStatus
	}
}

func plan(cmd *cobra.Command, _ []string, to *client) error {
	if dry, _ := cmd.Flags().GetBool("dry-run"); !dry {
		return errors.New("say --dry-run: the running Fairlead heals by itself, and this command only tells what it would do")
	}
	var answer planAnswer
	uri := "/fairlead/healer/plan" + query("cluster", text(cmd, "cluster"))
	if shown, err := to.ask(cmd.Context(), http.MethodGet, uri, nil, &answer); err != nil || shown {
		return err
	}
	troubled := false
	for _, c := range answer.Clusters {
		for _, line := range []struct{ word, text string }{
			{"desired file", c.Problem}, {"doubt", c.Doubt}, {"journal", c.Blind}, {"frozen", c.Frozen},
		} {
			if line.text != "" {
				fmt.Fprintf(to.out, "cluster %s: %s: %s\n", c.Cluster, line.word, line.text)
			}
		}
		for _, p := range c.Pauses {
			fmt.Fprintf(to.out, "cluster %s: paused until %s: %s\n", c.Cluster, p.Expires.Local().Format(time.DateTime), p.String())
		}
		for _, d := range c.Drains {
			fmt.Fprintf(to.out, "cluster %s: %s\n", c.Cluster, standing(&d))
		}
		switch {
		case c.At.IsZero():
			fmt.Fprintf(to.out, "cluster %s: its healer has not looked yet\n", c.Cluster)
		case c.DryRun:
			fmt.Fprintf(to.out, "cluster %s: its healer only plans\n", c.Cluster)
		}
		troubled = troubled || len(c.Services) > 0
	}
	if !troubled {
		_, err := fmt.Fprintln(to.out, "nothing is to be healed")
		return err
	}
	return table(to.out, []string{"CLUSTER", "SERVICE", "STATE", "PRESENT", "WANTED", "REPAIR", "GATE", "WHY"}, func(row func(...any)) {
		for _, c := range answer.Clusters {
			for _, s := range c.Services {
				row(c.Cluster, s.Service, s.State, s.Present, s.Count, repair(&s), cmp.Or(string(s.Gate), "-"), why(&s))
			}
		}
	})
}

// repair is what would be done or is under way.
func repair(s *healer.ServiceStatus) string {
	switch {
	case s.Flight != nil:
		return "under way: " + s.Flight.String()
	case s.Wanted != "":
		return s.Wanted
	}
	return "none"
}

// why is what keeps a repair from being made, with what is known beside it.
func why(s *healer.ServiceStatus) string {
	words := []string{cmp.Or(s.Refusal, s.Reason)}
	if len(s.Quarantine) > 0 {
		words = append(words, "given up: "+strings.Join(s.Quarantine, ", "))
	}
	if s.LastError != "" {
		words = append(words, "last attempt: "+s.LastError)
	}
	return strings.TrimPrefix(strings.Join(append(words, s.Problems...), "; "), "; ")
}
