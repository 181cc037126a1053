package command

import (
	"errors"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// off are the commands that download another Caddy and put it in the place of this program.
var off = []string{"upgrade", "add-package", "remove-package"}

// register registers one of our commands. Caddy has no way to take a command back, but ours are built beside its own, and by their
// parent they know the others once they are all there: when a command is about to run, and when the list of commands is printed.
func register(c caddycmd.Command) {
	build := c.CobraFunc
	c.CobraFunc = func(cmd *cobra.Command) {
		build(cmd)
		anyOfOurs = cmd
	}
	caddycmd.RegisterCommand(c)
}

var anyOfOurs *cobra.Command

func init() {
	cobra.OnInitialize(switchOff)
	cobra.AddTemplateFunc("trimTrailingWhitespaces", func(text string) string { // which the help begins with
		switchOff()
		return strings.TrimRight(text, " \t\r\n")
	})
}

func switchOff() {
	for _, cmd := range anyOfOurs.Root().Commands() {
		if !slices.Contains(off, cmd.Name()) {
			continue
		}
		cmd.Hidden = true
		cmd.RunE = func(*cobra.Command, []string) error {
			return errors.New("this command would replace Fairlead by another program: install another version of Fairlead instead")
		}
	}
}
