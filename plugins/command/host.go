package command

import (
	"cmp"
	"context"
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
		Name: "host", Usage: "drain|undrain|list",
		Short: "Empties a host for work on it, and lets it come back",
		Long: "Empties a host for an upgrade, and lets it come back. The running Fairlead that heals does it; see docs/healing.md.\n\n" +
			"HOST is the node's name, in Consul and in the swarm.",
		CobraFunc: func(cmd *cobra.Command) { cmd.AddCommand(drainCommand(), undrainCommand(), drainsCommand()) },
	})
}

func drainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain HOST --reason TEXT [--force] [--no-wait] [--timeout DURATION] [--cluster NAME]",
		Short: "Empties a host: nothing new comes, and copy by copy leaves it",
		Long: "Has nothing new placed on a host, then moves its copies away one after another: each leaves its clients, is stopped, and only when its\n" +
			"replacement is present does the next one's turn come. It blocks rather than go below min_available. The command returns when the host is\n" +
			"empty; interrupted, it leaves the order in force, which undrain ends.\n\n" +
			"--force is the forced variant: it does not keep to min_available, stops copies that nothing takes the place of, and takes what is left on\n" +
			"the host out of every rotation.",
	}
	asClient(cmd, func(cmd *cobra.Command) {
		cmd.Args = cobra.ExactArgs(1)
		clusterFlag(cmd)
		cmd.Flags().String("reason", "", "why, for the next one to read")
		cmd.Flags().String("author", author(), "who orders it")
		cmd.Flags().Bool("force", false, "go below min_available, and stop what nothing takes the place of")
		cmd.Flags().Bool("no-wait", false, "give the order and return")
		cmd.Flags().Duration("timeout", 0, "how long to wait until the host is empty (until it is)")
	}, drainHost)
	return cmd
}

func undrainCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "undrain HOST [--no-wait] [--timeout DURATION] [--cluster NAME]", Short: "Lets a host come back, also in the middle of a drain"}
	asClient(cmd, func(cmd *cobra.Command) {
		cmd.Args = cobra.ExactArgs(1)
		clusterFlag(cmd)
		cmd.Flags().Bool("no-wait", false, "give the order and return")
		cmd.Flags().Duration("timeout", 0, "how long to wait until the host is back (until it is)")
	}, undrainHost)
	return cmd
}

func drainsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list [--cluster NAME]", Short: "Lists the hosts that are drained, and how far that is"}
	asClient(cmd, func(cmd *cobra.Command) {
		cmd.Args = cobra.NoArgs
		clusterFlag(cmd)
	}, listHosts)
	return cmd
}

const drainsURI = "/fairlead/healer/drains"

// hostDrain is the drain of a host in one cluster.
type hostDrain struct {
	Cluster string
	healer.DrainStatus
}

type drainsAnswer struct{ Drains []hostDrain }

// standing says in a line how a drain stands.
func standing(d *healer.DrainStatus) string {
	line := fmt.Sprintf("%s: %s", d.Drain.String(), d.State)
	if d.Copies > 0 {
		line += fmt.Sprintf(", %d copies on it", d.Copies)
	}
	if d.Waits != "" {
		line += "; " + d.Waits
	}
	if len(d.Others) > 0 {
		line += "; Swarm also runs there, and it stays: " + strings.Join(d.Others, ", ")
	}
	return line
}

func drainHost(cmd *cobra.Command, args []string, to *client) error {
	if text(cmd, "reason") == "" {
		return errors.New(`say why, by --reason "new kernel": the next one will ask`)
	}
	forced, _ := cmd.Flags().GetBool("force")
	order := map[string]any{
		"cluster": text(cmd, "cluster"), "host": args[0], "author": text(cmd, "author"), "reason": text(cmd, "reason"), "forced": forced,
	}
	var given drainsAnswer
	if err := orderHost(cmd, to, http.MethodPut, drainsURI, order, &given); err != nil || waitsNot(cmd) {
		return err
	}
	return follow(cmd, to, args[0], "empty", func(found []hostDrain) bool {
		for _, d := range found {
			if d.State != healer.DrainEmpty {
				return false
			}
		}
		return len(found) >= len(given.Drains)
	})
}

func undrainHost(cmd *cobra.Command, args []string, to *client) error {
	uri := drainsURI + query("cluster", text(cmd, "cluster"), "host", args[0])
	var ended drainsAnswer
	if err := orderHost(cmd, to, http.MethodDelete, uri, nil, &ended); err != nil || waitsNot(cmd) {
		return err
	}
	err := follow(cmd, to, args[0], "back", func(found []hostDrain) bool { return len(found) == 0 })
	if err == nil && !to.raw {
		fmt.Fprintf(to.out, "host %s may be used again\n", args[0])
	}
	return err
}

func waitsNot(cmd *cobra.Command) bool {
	no, _ := cmd.Flags().GetBool("no-wait")
	return no
}

// orderHost gives an order and prints what it has begun.
func orderHost(cmd *cobra.Command, to *client, method, uri string, body any, answer *drainsAnswer) error {
	if shown, err := to.ask(cmd.Context(), method, uri, body, answer); err != nil || shown {
		return err
	}
	for _, d := range answer.Drains {
		fmt.Fprintf(to.out, "cluster %s: %s\n", d.Cluster, standing(&d.DrainStatus))
	}
	return nil
}

// follow prints each change in how the drains of a host stand until they have come to an end. A Fairlead that does not answer for a
// moment, because it is reloaded, ends nothing.
func follow(cmd *cobra.Command, to *client, host, end string, done func([]hostDrain) bool) error {
	ctx := cmd.Context()
	if limit, _ := cmd.Flags().GetDuration("timeout"); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	printed, silent := map[string]string{}, 0
	last := "nothing was heard of it"
	for {
		if err := pauseFor(ctx, followGap); err != nil {
			return fmt.Errorf("host %s is not %s yet, and the order goes on: %s", host, end, last)
		}
		var answer drainsAnswer
		quiet := &client{address: to.address, out: to.out}
		if _, err := quiet.fetch(ctx, http.MethodGet, drainsURI+query("cluster", text(cmd, "cluster")), nil, &answer); err != nil {
			if silent++; silent > mostSilence {
				return err
			}
			continue
		}
		silent = 0
		var found []hostDrain
		for _, d := range answer.Drains {
			if !strings.EqualFold(d.Host, host) {
				continue
			}
			found = append(found, d)
			if last = standing(&d.DrainStatus); printed[d.Cluster] != last && !to.raw {
				fmt.Fprintf(to.out, "cluster %s: %s\n", d.Cluster, last)
			}
			printed[d.Cluster] = last
		}
		if done(found) {
			return nil
		}
	}
}

// followGap is the time between two looks at a drain, mostSilence how many of them may go without an answer.
const (
	followGap   = 500 * time.Millisecond
	mostSilence = 60
)

// pauseFor waits, and returns ctx's error if it ends before.
func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func listHosts(cmd *cobra.Command, _ []string, to *client) error {
	var answer drainsAnswer
	if shown, err := to.ask(cmd.Context(), http.MethodGet, drainsURI+query("cluster", text(cmd, "cluster")), nil, &answer); err != nil || shown {
		return err
	}
	if len(answer.Drains) == 0 {
		_, err := fmt.Fprintln(to.out, "no host is drained")
		return err
	}
	return table(to.out, []string{"CLUSTER", "HOST", "STATE", "FORCED", "COPIES", "BY", "REASON", "WAITS FOR"}, func(row func(...any)) {
		for _, d := range answer.Drains {
			row(d.Cluster, d.Host, d.State, d.Forced, d.Copies, d.Author, d.Reason, cmp.Or(d.Waits, "-"))
		}
	})
}
