package command

import (
	"errors"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// errOne ends the process with 1, as any error does that Caddy has no code for.
var errOne = errors.New("exit code 1")

// exit returns what makes the process end with a code after RunE, without another word.
func exit(cmd *cobra.Command, code int) error {
	cmd.SilenceErrors = true
	if code == 1 {
		return errOne
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}
