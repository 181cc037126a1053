package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// client asks the admin endpoint of a running Fairlead.
type client struct {
	address string
	raw     bool // show the answer as it is
	out     io.Writer
}

// clientCommand registers a command that is a client of the admin API.
func clientCommand(c caddycmd.Command, flags func(*cobra.Command), run clientRun) {
	c.CobraFunc = func(cmd *cobra.Command) { asClient(cmd, flags, run) }
	register(c)
}

// clientRun is what a client of the admin API does.
type clientRun func(cmd *cobra.Command, args []string, to *client) error

// asClient makes a command one that asks the admin endpoint.
func asClient(cmd *cobra.Command, flags func(*cobra.Command), run clientRun) {
	cmd.Flags().String("address", caddy.DefaultAdminListen, "the admin endpoint of the Fairlead to ask")
	cmd.Flags().Bool("json", false, "print the answer as JSON")
	flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		address, _ := cmd.Flags().GetString("address")
		raw, _ := cmd.Flags().GetBool("json")
		return run(cmd, args, &client{address: address, raw: raw, out: cmd.OutOrStdout()})
	}
}

// text returns a flag of a command that has it.
func text(cmd *cobra.Command, name string) string {
	value, _ := cmd.Flags().GetString(name)
	return value
}

// ask sends a request and reads the answer into answer. It reports true if the answer has been printed as it is, since that was wanted.
func (c *client) ask(ctx context.Context, method, uri string, body, answer any) (shown bool, err error) {
	received, err := c.fetch(ctx, method, uri, body, answer)
	if err != nil || !c.raw {
		return false, err
	}
	_, err = c.out.Write(received)
	return true, err
}

// fetch sends a request, a body of bytes as it is and any other as JSON, and reads the answer, which it also returns as it came.
func (c *client) fetch(ctx context.Context, method, uri string, body, answer any) (received []byte, err error) {
	status, received, err := c.exchange(ctx, method, uri, body)
	if err != nil {
		if broken, ok := errors.AsType[*net.OpError](err); ok {
			broken.Source = nil // our own port, another one each time
		}
		return nil, fmt.Errorf("asking the admin endpoint at %s: %w; is Fairlead running, and is this its address (--address)?", c.address, err)
	}
	if status != http.StatusOK {
		return nil, problem(status, received)
	}
	if err := json.Unmarshal(received, answer); err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.address, err)
	}
	return received, nil
}

func (c *client) exchange(ctx context.Context, method, uri string, body any) (status int, received []byte, err error) {
	address, err := caddy.ParseNetworkAddress(c.address)
	if err != nil || address.PortRangeSize() > 1 {
		return 0, nil, fmt.Errorf("%q is no address of an admin endpoint", c.address)
	}
	encoded, given := body.([]byte)
	if body != nil && !given {
		if encoded, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
	}
	host := address.JoinHostPort(0)
	if address.IsUnixNetwork() {
		host = "127.0.0.1" // any name: the socket is the address
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+host+uri, bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, address.Network, address.JoinHostPort(0))
	}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	received, err = io.ReadAll(response.Body)
	return response.StatusCode, received, err
}

// problem is what the API says is wrong.
func problem(status int, body []byte) error {
	var told struct{ Error, Hint string }
	if err := json.Unmarshal(body, &told); err != nil || told.Error == "" {
		return fmt.Errorf("the admin endpoint answered %d: %s", status, bytes.TrimSpace(body))
	}
	if told.Hint == "" {
		return errors.New(told.Error)
	}
	return fmt.Errorf("%s (%s)", told.Error, told.Hint)
}
