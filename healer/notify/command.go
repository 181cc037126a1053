package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Command runs a program for each message, without a shell: the message is on its standard input, as JSON, and in environment variables.
// Exit status 0 means that it is delivered. What it prints is thrown away. On a time-out it is killed with its process group.
type Command struct {
	Argv []string
	// PassEnv names the environment variables that it gets from this process beside PATH and HOME.
	PassEnv []string
}

// command is a sender.
type command struct {
	config Command
	path   string
}

func newCommand(c Command) (*command, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, errors.New("there is no command to run")
	}
	path, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return nil, fmt.Errorf("the command cannot be run: %w", err)
	}
	return &command{config: c, path: path}, nil
}

func (c *command) send(ctx context.Context, m Message) (string, error) {
	input, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, c.path, c.config.Argv[1:]...)
	cmd.Args[0] = c.config.Argv[0]
	cmd.Env = c.environment(m)
	cmd.Stdin = bytes.NewReader(append(input, '\n'))
	killGroup(cmd)
	if deadline, ok := ctx.Deadline(); ok {
		cmd.WaitDelay = max(time.Until(deadline), time.Millisecond) // for an input that nobody reads
	}
	err = cmd.Run()
	switch {
	case err == nil:
		return "", nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("the command was killed: %w", ctx.Err())
	case errors.Is(err, exec.ErrWaitDelay): // it ended well without reading all of its input
		return "", nil
	}
	return "", fmt.Errorf("the command failed: %w", err)
}

func (c *command) environment(m Message) []string {
	var env []string
	for _, name := range append([]string{"PATH", "HOME"}, c.config.PassEnv...) {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, v := range []struct{ name, value string }{
		{"KEY", m.Key}, {"EVENT", string(m.Event)}, {"CLUSTER", m.Cluster}, {"SERVICE", m.Service}, {"TEXT", m.Text},
		{"SINCE", m.Since.Format(time.RFC3339)}, {"RESOLVED", strconv.FormatBool(m.Resolved)},
		{"ID", m.ID}, {"KIND", string(m.Kind)}, {"AT", m.At.Format(time.RFC3339)},
	} {
		env = append(env, "FAIRLEAD_NOTICE_"+v.name+"="+strings.ReplaceAll(v.value, "\x00", ""))
	}
	return env
}
