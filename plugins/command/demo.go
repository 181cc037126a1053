package command

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// The demo's configuration and what it tells; both are templates over a *demo.
var (
	//go:embed demo.Caddyfile
	demoCaddyfile string
	//go:embed demo.txt
	demoText string
)

func init() {
	register(caddycmd.Command{
		Name: "demo", Usage: "[--listen ADDRESS] [--dns ADDRESS] [--admin ADDRESS]",
		Short: "Shows Fairlead at work, without Consul and Docker",
		Long:  "Starts a few small backends, a catalogue of them in a file, and Fairlead over it; then prints what to try.",
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Args = cobra.NoArgs
			cmd.Flags().String("listen", "127.0.0.1:8080", "where the proxy listens")
			cmd.Flags().String("dns", "127.0.0.1:8600", "where the nameserver listens")
			cmd.Flags().String("admin", demoAdmin, "where the admin endpoint listens")
			cmd.RunE = func(cmd *cobra.Command, _ []string) error {
				return runDemo(cmd.Context(), text(cmd, "listen"), text(cmd, "dns"), text(cmd, "admin"), cmd.OutOrStdout())
			}
		},
	})
}

// demoAdmin is where the other commands look for an admin endpoint, in an address instead of a name.
const demoAdmin = "127.0.0.1:2019"

// demo is a running demonstration.
type demo struct {
	Dir               string
	Proxy, DNS, Admin string // host:port
	Host, Port        string // of Proxy
	DNSHost, DNSPort  string
	StopMaster        string
	StopShop          []string
	Program, Address  string // how its commands are called
	backends          []*backend
}

// runDemo ends with ctx, or with the process by one of Caddy's ways to be stopped.
func runDemo(ctx context.Context, proxy, dns, admin string, out io.Writer) error {
	d, err := newDemo(proxy, dns, admin)
	if err != nil {
		return err
	}
	caddy.TrapSignals()
	caddy.OnExit(func(context.Context) { d.close() })
	if err := d.start(); err != nil {
		d.close()
		return err
	}
	if err := d.print(out); err != nil {
		return err
	}
	return serve(ctx)
}

func newDemo(proxy, dns, admin string) (*demo, error) {
	d := &demo{Proxy: proxy, DNS: dns, Admin: admin, Program: os.Args[0]}
	var err error
	if d.Host, d.Port, err = net.SplitHostPort(proxy); err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if d.DNSHost, d.DNSPort, err = net.SplitHostPort(dns); err != nil {
		return nil, fmt.Errorf("--dns: %w", err)
	}
	d.Proxy = net.JoinHostPort(cmp.Or(d.Host, "127.0.0.1"), d.Port)
	d.Host, d.DNSHost = cmp.Or(d.Host, "0.0.0.0"), cmp.Or(d.DNSHost, "127.0.0.1")
	if admin != caddy.DefaultAdminListen && admin != demoAdmin {
		d.Address = " --address " + admin
	}
	d.Dir, err = os.MkdirTemp("", "fairlead-demo-")
	return d, err
}

// start starts the backends, writes the files and loads the configuration.
func (d *demo) start() error {
	live, test := catalogue{}, catalogue{}
	for i := range 3 {
		url, err := d.add(live, "shop.example.com", fmt.Sprintf("shop-%d", i+1))
		if err != nil {
			return err
		}
		d.StopShop = append(d.StopShop, url)
	}
	if _, err := d.add(test, "shop.example.com", "shop-test"); err != nil {
		return err
	}
	var err error
	if d.StopMaster, err = d.add(live, "db.example.com", "db-1", "master"); err != nil {
		return err
	}
	if _, err := d.add(live, "db.example.com", "db-2", "slave"); err != nil {
		return err
	}
	for name, content := range map[string]catalogue{"live.json": live, "test.json": test} {
		text, err := json.MarshalIndent(map[string]any{"services": content}, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d.Dir, name), append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	return d.load()
}

// catalogue is the content of a static source's file.
type catalogue map[string][]map[string]any

// add starts a backend and enters it into a catalogue. It returns the URL that stops the backend.
func (d *demo) add(to catalogue, domain, id string, tags ...string) (stop string, err error) {
	b, err := startBackend(domain, id, tags)
	if err != nil {
		return "", err
	}
	d.backends = append(d.backends, b)
	address := b.listener.Addr().(*net.TCPAddr)
	entry := map[string]any{"id": id, "node": "demo", "address": address.IP.String(), "port": address.Port}
	if len(tags) > 0 {
		entry["tags"] = tags
	}
	to[domain] = append(to[domain], entry)
	return "http://" + address.String() + "/stop", nil
}

func (d *demo) load() error {
	text, err := render("demo", demoCaddyfile, d)
	if err != nil {
		return err
	}
	path := filepath.Join(d.Dir, "Caddyfile")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	return loadCaddyfile(path, text)
}

func (d *demo) print(out io.Writer) error {
	text, err := render("demo", demoText, d)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// close stops the backends and removes the files.
func (d *demo) close() {
	for _, b := range d.backends {
		b.server.Close()
	}
	os.RemoveAll(d.Dir)
}
