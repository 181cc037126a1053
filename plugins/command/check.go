package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/healer"
)

func init() {
	clientCommand(caddycmd.Command{
		Name: "check", Usage: "[--desired FILE] [SERVICE…]",
		Short: "Says whether as many copies of services are present as wanted",
		Long: "Compares what is present with the desired file that the running Fairlead heals by, or with the one named by --desired, which need not\n" +
			"be in force anywhere. SERVICE is a domain as in that file, or CLUSTER/DOMAIN; without any, all are looked at.\n\n" +
			"It ends with 0 if as many are present as wanted, 1 if more, 2 if fewer, and 3 if it cannot tell, as while the facts are in doubt. Of\n" +
			"several services the worst counts, and fewer is worse than doubt. The output changes only when the numbers do, so that this can be a\n" +
			"script check of Consul or the handler of a Consul watch.",
	}, func(cmd *cobra.Command) {
		cmd.Flags().String("desired", "", "compare with this desired file instead of the one in force")
		cmd.Flags().Duration("timeout", 10*time.Second, "how long to wait for the answer")
		cmd.SetFlagErrorFunc(cannotTell) // else a misspelt flag would be a warning
	}, check)
}

// cannotTellCode is what check exits with where there is no verdict.
var cannotTellCode = healer.Unknown.ExitCode()

// cannotTell says why there is no verdict.
func cannotTell(cmd *cobra.Command, err error) error {
	cmd.PrintErrln("Error:", err)
	return exit(cmd, cannotTellCode)
}

func check(cmd *cobra.Command, args []string, to *client) error {
	timeout, _ := cmd.Flags().GetDuration("timeout")
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	values := url.Values{"service": args}
	method, body := http.MethodGet, []byte(nil)
	if file := text(cmd, "desired"); file != "" {
		var err error
		if body, err = os.ReadFile(file); err != nil {
			return cannotTell(cmd, err)
		}
		method = http.MethodPost
		values.Set("file", file)
	}
	var answer struct {
		healer.Verdict
		Problem string
	}
	received, err := to.fetch(ctx, method, "/fairlead/healer/check?"+values.Encode(), body, &answer)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the admin endpoint at %s does not answer within %s", to.address, timeout)
	}
	if err != nil {
		return cannotTell(cmd, err)
	}
	if answer.Problem != "" {
		cmd.PrintErrln("Warning: the desired file cannot be used, its last good content counts:", answer.Problem)
	}
	if to.raw {
		_, err = to.out.Write(received)
	} else {
		err = answer.WriteTable(to.out)
	}
	if err != nil {
		return cannotTell(cmd, err)
	}
	return exit(cmd, answer.State.ExitCode())
}
