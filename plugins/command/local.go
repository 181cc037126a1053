package command

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/discovery/docker"
)

// localCaddyfile is a template over a *local.
//
//go:embed local.Caddyfile
var localCaddyfile string

func init() {
	register(caddycmd.Command{
		Name: "local", Usage: "[--engine ADDRESS] [--listen ADDRESS] [--dns ADDRESS] [--admin ADDRESS]",
		Short: "Serves the containers of this machine's Docker engine, without Consul",
		Long: "Serves the running containers of one Docker engine by the domains in their SERVICE_NAME, from the ports they publish. Nothing is\n" +
			"configured and nothing is written but Fairlead's own state folder.",
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.NoArgs
			cmd.Flags().String("engine", docker.DefaultHost, "the Docker engine, unix:///path or tcp://host:port")
			cmd.Flags().String("listen", "127.0.0.1:8080", "where the proxy listens")
			cmd.Flags().String("dns", "127.0.0.1:8600", "where the nameserver listens")
			cmd.Flags().String("admin", demoAdmin, "where the admin endpoint listens")
			cmd.RunE = func(cmd *cobra.Command, _ []string) error {
				return runLocal(cmd.Context(), &local{
					Engine: text(cmd, "engine"), Proxy: text(cmd, "listen"), DNS: text(cmd, "dns"), Admin: text(cmd, "admin"),
				}, cmd.OutOrStdout())
			}
		},
	})
}

// local is what the configuration is made from.
type local struct {
	Engine            string
	Proxy, DNS, Admin string // host:port
	Host, Port        string // of Proxy
}

// runLocal ends with ctx, or with the process by one of Caddy's ways to be stopped.
func runLocal(ctx context.Context, l *local, out io.Writer) error {
	var err error
	if l.Host, l.Port, err = net.SplitHostPort(l.Proxy); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	l.Host = cmp.Or(l.Host, "0.0.0.0")
	if err := loadTemplate("local", localCaddyfile, l); err != nil {
		return err
	}
	fmt.Fprintf(out, "The containers of %s are served on %s, their names on %s (DNS). Give one a domain and a port, and ask for it:\n\n"+
		"  docker run -d -P --label SERVICE_NAME=shop.example.com IMAGE\n  curl -H 'Host: shop.example.com' http://%s/\n  %s pools\n\n",
		l.Engine, l.Proxy, l.DNS, l.Proxy, os.Args[0])
	return serve(ctx)
}
