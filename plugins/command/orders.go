package command

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/proxy/pool"
)

func init() {
	for _, order := range []struct {
		action pool.Action
		args   string
		short  string
		long   string
	}{
		{pool.Drain, "INSTANCE", "Lets an instance finish what it has, and sends it nothing new", "Clients that are bound to it by a cookie stay with it."},
		{pool.Disable, "INSTANCE", "Takes an instance out at once", "What is under way at it is not cut off."},
		{pool.Weight, "INSTANCE NUMBER", "Gives an instance another weight", "The number is from 1 to 65535."},
	} {
		clientCommand(caddycmd.Command{
			Name: string(order.action), Usage: order.args + ` --reason TEXT [--for DURATION] [--cluster NAME]`, Short: order.short,
			Long: order.short + ". " + order.long + "\nThe order outranks everything else until it ends or is taken back by undo.\n\n" + idHelp,
		}, func(cmd *cobra.Command) {
			cmd.Args = cobra.ExactArgs(len(strings.Fields(order.args)))
			clusterFlag(cmd)
			cmd.Flags().String("reason", "", "why, for the next one to read")
			cmd.Flags().String("author", author(), "who orders it")
			cmd.Flags().String("for", "", "how long, such as 2h (until it is taken back)")
		}, func(cmd *cobra.Command, args []string, to *client) error { return give(cmd, args, to, order.action) })
	}
	clientCommand(caddycmd.Command{
		Name: "undo", Usage: "INSTANCE [--cluster NAME]",
		Short: "Takes back what was ordered for an instance",
		Long:  "Takes back what drain, disable or weight has ordered for an instance.\n\n" + idHelp,
	}, func(cmd *cobra.Command) {
		cmd.Args = cobra.ExactArgs(1)
		clusterFlag(cmd)
	}, undo)
	clientCommand(caddycmd.Command{
		Name: "sources", Usage: "[accept --cluster NAME [--service NAME]]",
		Short: "Says what is heard from each source, and what is doubted",
		Long:  "Says what is heard from each source of each cluster, how old it is, and what of it is doubted and why.\n\nsources accept believes that instances which vanished all at once are gone.",
	}, func(cmd *cobra.Command) {
		cmd.Args = cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)
		cmd.ValidArgs = []string{"accept"}
		clusterFlag(cmd)
		cmd.Flags().String("service", "", "with accept, one service only")
	}, func(cmd *cobra.Command, args []string, to *client) error {
		if len(args) == 1 {
			return accept(cmd, to)
		}
		return sources(cmd, args, to)
	})
}

const idHelp = `INSTANCE is its ID as explain and pools show it, CLUSTER/NODE/SERVICE-ID; with --cluster, the part behind the first slash.`

func clusterFlag(cmd *cobra.Command) {
	cmd.Flags().String("cluster", "", "the cluster it is about")
}

// author is who gives orders if nobody else is named.
func author() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	return name
}

// instance returns the full ID of an instance.
func instance(cmd *cobra.Command, id string) string {
	if cluster := text(cmd, "cluster"); cluster != "" && !strings.HasPrefix(id, cluster+"/") {
		return cluster + "/" + id
	}
	return id
}

func overrideURI(id string) string {
	parts := strings.Split(id, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/fairlead/overrides/" + strings.ReplaceAll(strings.Join(parts, "/"), "//", "/%2F")
}

func give(cmd *cobra.Command, args []string, to *client, action pool.Action) error {
	order := map[string]any{"action": action, "author": text(cmd, "author"), "reason": text(cmd, "reason")}
	if text(cmd, "reason") == "" {
		return errors.New(`say why, by --reason "new disk": the next one will ask`)
	}
	if lasting := text(cmd, "for"); lasting != "" {
		order["ttl"] = lasting
	}
	if len(args) == 2 {
		weight, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("weight %q is no number", args[1])
		}
		order["weight"] = weight
	}
	var given pool.Override
	if shown, err := to.ask(cmd.Context(), http.MethodPut, overrideURI(instance(cmd, args[0])), order, &given); err != nil || shown {
		return err
	}
	until := "until it is taken back: fairlead undo " + given.Instance
	if !given.Expires.IsZero() {
		until = "until " + given.Expires.Local().String()
	}
	_, err := fmt.Fprintf(to.out, "%s %s at %s, %s\n", given.Action, given.Instance, given.Address, until)
	return err
}

func undo(cmd *cobra.Command, args []string, to *client) error {
	var taken pool.Override
	if shown, err := to.ask(cmd.Context(), http.MethodDelete, overrideURI(instance(cmd, args[0])), nil, &taken); err != nil || shown {
		return err
	}
	_, err := fmt.Fprintf(to.out, "taken back: %s %s, ordered by %s: %s\n", taken.Action, taken.Instance, taken.Author, taken.Reason)
	return err
}

func accept(cmd *cobra.Command, to *client) error {
	var answer struct {
		Cluster, Service string
		Released         int
	}
	if text(cmd, "cluster") == "" {
		return errors.New("name the cluster: fairlead sources accept --cluster live")
	}
	uri := "/fairlead/sources/accept" + query("cluster", text(cmd, "cluster"), "service", text(cmd, "service"))
	if shown, err := to.ask(cmd.Context(), http.MethodPost, uri, nil, &answer); err != nil || shown {
		return err
	}
	_, err := fmt.Fprintf(to.out, "cluster %s: %d instances of %s let go\n", answer.Cluster, answer.Released, cmp.Or(answer.Service, "all services"))
	return err
}
