package command

import (
	"context"
	_ "embed"
	"errors"
	"net/netip"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/discovery/docker"
)

// agentCaddyfile is a template over an *agent.
//
//go:embed agent.Caddyfile
var agentCaddyfile string

func init() {
	register(caddycmd.Command{
		Name: "agent", Usage: "--advertise ADDRESS… [--consul ADDRESS] [--token-file PATH] [--cluster NAME] [--engine ADDRESS] [--logs ADDRESS …]",
		Short: "Keeps this host's containers registered in Consul",
		Long: "Registers the running containers of this host's Docker engine in this host's Consul agent, as Registrator does, and carries out\n" +
			"what is ordered for the host. The same is `register docker` in the configuration of `fairlead run`.",
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.NoArgs
			flags := cmd.Flags()
			flags.StringSlice("advertise", nil, "this host's address as others reach it, or one of each family")
			flags.String("consul", "127.0.0.1:8500", "this host's Consul agent")
			flags.String("token-file", "", "a file with the ACL token")
			flags.String("cluster", "live", "the name of the cluster, as the proxies call it")
			flags.String("engine", docker.DefaultHost, "the Docker engine, unix:///path or tcp://host:port")
			flags.String("node", "", "the name of this host (what the engine says)")
			flags.Bool("allow-loopback", false, "register addresses that only this host reaches, too")
			flags.Duration("resync", 0, "how often engine and agent are compared while nothing changes (default 30s)")
			flags.Duration("probation", 0, "how long registrations without a container are left alone after the start (default 60s)")
			flags.Duration("stop-wait", 0, "how long clients get to leave a container that is about to be stopped (default 5s)")
			flags.String("logs", "", "where containers' logs and statistics may be read, by HTTPS with certificates on both sides (nowhere)")
			flags.String("logs-cert", "", "with --logs: our certificate with its chain, in PEM")
			flags.String("logs-key", "", "with --logs: its key")
			flags.String("logs-client-ca", "", "with --logs: the authorities whose certificates clients must have")
			flags.StringSlice("logs-client", nil, "with --logs: who may read, by a name in the certificate (whoever has one)")
			flags.String("admin", "127.0.0.1:2020", "where the admin endpoint listens")
			cmd.RunE = func(cmd *cobra.Command, _ []string) error {
				advertise, _ := flags.GetStringSlice("advertise")
				loopback, _ := flags.GetBool("allow-loopback")
				resync, _ := flags.GetDuration("resync")
				probation, _ := flags.GetDuration("probation")
				stopWait, _ := flags.GetDuration("stop-wait")
				clients, _ := flags.GetStringSlice("logs-client")
				return runAgent(cmd.Context(), &agent{
					Advertise: advertise, Consul: text(cmd, "consul"), TokenFile: text(cmd, "token-file"), Cluster: text(cmd, "cluster"),
					Engine: text(cmd, "engine"), Node: text(cmd, "node"), Admin: text(cmd, "admin"), AllowLoopback: loopback,
					Resync: resync, Probation: probation, StopWait: stopWait,
					Logs: text(cmd, "logs"), LogsCert: text(cmd, "logs-cert"), LogsKey: text(cmd, "logs-key"), LogsClientCA: text(cmd, "logs-client-ca"),
					LogsClients: clients,
				})
			}
		},
	})
}

// agent is what the configuration is made from.
type agent struct {
	Advertise                        []string
	Consul, TokenFile, Cluster, Node string
	Engine, Admin                    string
	AllowLoopback                    bool
	Resync, Probation, StopWait      time.Duration
	Logs, LogsCert, LogsKey          string
	LogsClientCA                     string
	LogsClients                      []string
}

// runAgent ends with ctx, or with the process by one of Caddy's ways to be stopped.
func runAgent(ctx context.Context, a *agent) error {
	if len(a.Advertise) == 0 {
		return errors.New("--advertise is missing: name the address at which others reach this host's published ports")
	}
	for _, address := range a.Advertise {
		if _, err := netip.ParseAddr(address); err != nil {
			return errors.New("--advertise " + address + ": want an IP address")
		}
	}
	if a.Logs == "" && (a.LogsCert+a.LogsKey+a.LogsClientCA != "" || len(a.LogsClients) > 0) {
		return errors.New("--logs is missing: name the address where logs may be read")
	}
	if err := loadTemplate("agent", agentCaddyfile, a); err != nil {
		return err
	}
	return serve(ctx)
}
