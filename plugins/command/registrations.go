package command

import (
	"fmt"
	"net/http"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/discovery/registrar"
)

func init() {
	clientCommand(caddycmd.Command{
		Name: "registrations", Short: "Says what this host's containers are registered as, and what is wrong with it",
		Long: "Says how the registrars of a running `fairlead agent` or `fairlead run` stand: what they hear, the Consul agent they write to, how many\n" +
			"services ought to be there and are, and every service with which something is wrong. The agent's admin endpoint is 127.0.0.1:2020\n" +
			"unless it was given another: --address 127.0.0.1:2020.",
	}, func(cmd *cobra.Command) { cmd.Args = cobra.NoArgs }, registrations)
}

func registrations(cmd *cobra.Command, _ []string, to *client) error {
	var answer struct{ Registrars []registrar.Status }
	if shown, err := to.ask(cmd.Context(), http.MethodGet, "/fairlead/registrations", nil, &answer); err != nil || shown {
		return err
	}
	if len(answer.Registrars) == 0 {
		_, err := fmt.Fprintln(to.out, "nothing is registered by this Fairlead: its configuration has no register")
		return err
	}
	err := table(to.out, []string{"OWNER", "SOURCE", "AGENT", "NODE", "DESIRED", "REGISTERED", "PENDING", "WRITES", "FAILED"}, func(row func(...any)) {
		for _, r := range answer.Registrars {
			w := &r.Writes
			row(r.Owner, r.Source.Name, r.Agent.Address, r.Agent.Node, r.Counts.Desired, r.Counts.Agreeing, r.Counts.Pending,
				w.Registered+w.Deregistered+w.Drained+w.Resumed, w.Failed)
		}
	})
	for _, r := range answer.Registrars {
		if !r.Source.Up {
			fmt.Fprintf(to.out, "%s: %s\n", r.Source.Name, r.Source.Reason)
		}
		if r.Agent.Reason != "" {
			fmt.Fprintf(to.out, "agent %s: %s\n", r.Agent.Address, r.Agent.Reason)
		}
		for _, refused := range r.Source.Refused {
			fmt.Fprintf(to.out, "refused: %s\n", refused)
		}
		for _, i := range r.Items {
			fmt.Fprintf(to.out, "%s: %s%s\n", i.ServiceID, i.Error, i.Note)
		}
	}
	return err
}
