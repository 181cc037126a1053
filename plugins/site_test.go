package plugins_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/fairlead/fairlead/plugins/adminapi"
	_ "github.com/fairlead/fairlead/plugins/app"
	_ "github.com/fairlead/fairlead/plugins/handler"
	_ "github.com/fairlead/fairlead/plugins/permission"
	"github.com/fairlead/fairlead/tools/lab"
)

// Caddy runs once per process, so that its tests are all in this package, one after another, each with its own folders and ports.

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fairlead-plugins")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		os.Setenv(name, dir)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// site is a running configuration with its ports.
type site struct {
	t                       *testing.T
	dir                     string
	http, https, dns, admin string // host:port
	live, test              string // the catalogues' files
	lane                    string // the option, as in "lane off"
}

// newSite prepares a site without loading anything.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), lane: "lane portable"}
	for _, address := range []*string{&s.http, &s.https, &s.dns, &s.admin} {
		*address = fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t))
	}
	s.live, s.test = filepath.Join(s.dir, "live.json"), filepath.Join(s.dir, "test.json")
	s.catalogue(s.live, nil)
	s.catalogue(s.test, nil)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func port(hostport string) string {
	_, port, _ := net.SplitHostPort(hostport)
	return port
}

// text fills in the site's addresses and the global options that every test wants.
func (s *site) text(caddyfile string) string {
	caddyfile = strings.Replace(caddyfile, "{\n", `{
	admin {ADMIN}
	persist_config off
	skip_install_trust
	auto_https disable_redirects
	http_port {HTTPPORT}
	https_port {HTTPSPORT}
	storage file_system {DIR}/caddy
	log {
		output file {DIR}/caddy.log
		level INFO
	}
`, 1)
	return strings.NewReplacer("{ADMIN}", s.admin, "{HTTPPORT}", port(s.http), "{HTTPSPORT}", port(s.https), "{DNS}", s.dns,
		"{DIR}", s.dir, "{LIVE}", s.live, "{TEST}", s.test, "{STATE}", "state_dir "+s.dir+"/state\n\t\tsettle_wait 2s\n\t\t"+s.lane).Replace(caddyfile)
}

// load adapts and loads a Caddyfile.
func (s *site) load(caddyfile string) error {
	config, err := s.adapt(caddyfile)
	if err != nil {
		return err
	}
	return caddy.Load(config, true)
}

func (s *site) adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(s.text(caddyfile)), map[string]any{"filename": "Caddyfile"})
	return config, err
}

func (s *site) mustLoad(caddyfile string) {
	s.t.Helper()
	if err := s.load(caddyfile); err != nil {
		s.t.Fatal(err)
	}
}

// catalogue writes a static source's file.
func (s *site) catalogue(file string, services map[string][]*lab.Backend) {
	s.t.Helper()
	content := map[string][]map[string]any{}
	for name, backends := range services {
		for i, b := range backends {
			content[name] = append(content[name], map[string]any{
				"id": fmt.Sprintf("%s-%s-%d", b.Name, name, i), "address": "127.0.0.1", "port": b.Port,
			})
		}
	}
	text, err := json.Marshal(map[string]any{"services": content})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// get asks for a host by HTTP.
func (s *site) get(host, path string) *answer {
	s.t.Helper()
	return s.do("GET", "http://"+s.http+path, host)
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

func (s *site) do(method, url, host string) *answer {
	s.t.Helper()
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &answer{response, string(body)}
}

// handshake does a TLS handshake for a name from an address of this machine.
func (s *site) handshake(name, from string) (*tls.ConnectionState, error) {
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}},
		Config:    &tls.Config{ServerName: name, InsecureSkipVerify: true},
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	c, err := dialer.DialContext(ctx, "tcp", s.https)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	state := c.(*tls.Conn).ConnectionState()
	return &state, nil
}

// until waits for something that comes by itself.
func (s *site) until(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// plain serves the live catalogue over HTTP.
const plain = `{
	fairlead {
		cluster live {
			file {LIVE} {
				poll 20ms
			}
		}
		dns {DNS}
		{STATE}
	}
}
:{HTTPPORT} {
	fairlead
}
`
