package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
)

// one returns a configuration of one cluster, changed by change.
func one(change func(c *Config, live *Cluster)) *Config {
	live := &Cluster{Name: "live", Files: []*File{{Path: "/etc/live.json"}}}
	c := &Config{Clusters: []*Cluster{live}, StateDir: "/var/lib/fairlead"}
	change(c, live)
	return c
}

// TestSpecRefuses shows what JSON can say and no Caddyfile can.
func TestSpecRefuses(t *testing.T) {
	t.Setenv("FAIRLEAD_TEST_EMPTY", "")
	for name, c := range map[string]struct {
		change func(c *Config, live *Cluster)
		want   string
	}{
		"no cluster":       {func(c *Config, _ *Cluster) { c.Clusters = nil }, "no cluster is configured"},
		"no source":        {func(_ *Config, live *Cluster) { live.Files = nil }, "cluster live: no source is configured"},
		"no name":          {func(_ *Config, live *Cluster) { live.Name = "" }, `cluster "": a cluster's name`},
		"literal token":    {func(_ *Config, live *Cluster) { live.Consul = []*Consul{{Token: "secret-7"}} }, "cluster live: consul 127.0.0.1:8500: the token stands in the configuration"},
		"two placeholders": {func(_ *Config, live *Cluster) { live.Consul = []*Consul{{Token: "{env.A}{env.B}"}} }, "the token stands in the configuration"},
		"token not set":    {func(_ *Config, live *Cluster) { live.Consul = []*Consul{{Token: "{env.FAIRLEAD_TEST_NOT_SET}"}} }, "FAIRLEAD_TEST_NOT_SET"},
		"token empty":      {func(_ *Config, live *Cluster) { live.Consul = []*Consul{{Token: "{env.FAIRLEAD_TEST_EMPTY}"}} }, "FAIRLEAD_TEST_EMPTY"},
		"agent twice":      {func(_ *Config, live *Cluster) { live.Consul = []*Consul{{}, {Address: "127.0.0.1:8500"}} }, "two sources are the Consul agent 127.0.0.1:8500"},
		"file twice":       {func(_ *Config, live *Cluster) { live.Files = append(live.Files, live.Files[0]) }, `file "/etc/live.json": want the path of a file, each once`},
		"file nowhere":     {func(_ *Config, live *Cluster) { live.Files[0].Path = "" }, `file "": want the path`},
		"setting":          {func(_ *Config, live *Cluster) { live.Defaults = pool.Settings{"policy": "x"} }, `cluster live: defaults: policy "x"`},
		"domain setting": {func(c *Config, _ *Cluster) { c.DomainSettings = map[string]pool.Settings{"a.b": {"retries": "-1"}} },
			`domain a.b: retries "-1"`},
		"trusted": {func(c *Config, _ *Cluster) { c.TrustedProxies = []string{"proxy"} }, `trusted_proxies: "proxy"`},
		"mapped":  {func(_ *Config, live *Cluster) { live.Allow = []string{"::ffff:10.1.2.3/120"} }, `write 10.1.2.0/24`},
		"dns":     {func(c *Config, _ *Cluster) { c.DNS = &DNS{Listen: []string{"tcp/:53"}} }, `dns "tcp/:53"`},
		"dns ttl": {func(c *Config, _ *Cluster) { c.DNS = &DNS{TTL: caddy.Duration(time.Minute)} }, "dns: ttl"},
		"refuse":  {func(c *Config, _ *Cluster) { c.Refuse = []string{"1.2.3.4:http"} }, `refuse "1.2.3.4:http": port "http" is no port`},
		"edge":    {func(_ *Config, live *Cluster) { live.AnswerEdge = []string{"0.0.0.0"} }, `answer edge "0.0.0.0"`},
		"lock": {func(c *Config, _ *Cluster) {
			c.Heal = &Heal{Desired: "d.json", Runtimes: []*Runtime{{Kind: "swarm"}}, Timers: map[string]caddy.Duration{"lock_ttl": caddy.Duration(time.Second)}}
		}, "heal: timers lock_ttl 1s"},
		"lock delay": {func(c *Config, _ *Cluster) {
			c.Heal = &Heal{Desired: "d.json", Runtimes: []*Runtime{{Kind: "swarm"}}, Timers: map[string]caddy.Duration{"lock_delay": caddy.Duration(7 * time.Second)}}
		}, "heal: timers lock_ttl 15s, lock_delay 7s: want a delay of half the time"},
		"certified": {func(_ *Config, live *Cluster) { live.Certificates = "acme" }, `certificates "acme"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := one(c.change).spec(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestSpecResolves(t *testing.T) {
	t.Setenv("FAIRLEAD_TEST_TOKEN", "secret-7")
	c := one(func(c *Config, live *Cluster) {
		live.Consul = []*Consul{{Token: "{env.FAIRLEAD_TEST_TOKEN}"}}
		live.Defaults = pool.Settings{"retries": "3"}
		live.DomainSettings = map[string]pool.Settings{"A.example.com.": {"policy": "hash"}}
		c.Defaults = pool.Settings{"retries": "1", "queue": "7"}
		c.DomainSettings = map[string]pool.Settings{"a.example.com": {"policy": "random", "sticky": "s"}}
		c.Clusters = append(c.Clusters, &Cluster{Name: "test", Prefix: "TEST", Allow: []string{"private_ranges", "203.0.113.7"}, Files: []*File{{Path: "t"}}})
		c.DNS = &DNS{Listen: []string{":53"}}
	})
	s, err := c.spec()
	if err != nil {
		t.Fatal(err)
	}
	live, test := s.edge.Clusters[0], s.edge.Clusters[1]
	if got := fmt.Sprint(live.Defaults, live.Domains); got != "map[queue:7 retries:3] map[a.example.com:map[policy:hash sticky:s]]" {
		t.Errorf("settings %s", got)
	}
	if got := s.catalogs[0].consul[0]; got.Token != "secret-7" || got.Address != "127.0.0.1:8500" || got.Cluster != "live" {
		t.Errorf("consul %+v", got)
	}
	if test.Prefix != "test." || live.Prefix != "" {
		t.Errorf("prefixes %q and %q", live.Prefix, test.Prefix)
	}
	allowed := func(text string) bool {
		for _, network := range test.Allow {
			if network.Contains(netip.MustParseAddr(text)) {
				return true
			}
		}
		return false
	}
	if live.Allow != nil || !allowed("203.0.113.7") || !allowed("10.1.2.3") || allowed("203.0.113.8") {
		t.Errorf("access lists %v and %v", live.Allow, test.Allow)
	}
	if s.internal["live"] || !s.internal["test"] {
		t.Errorf("names for the internal issuer: %v, want those of test only", s.internal)
	}
	for _, own := range []string{"[::]:53", "127.0.0.1:8500"} {
		if !strings.Contains(fmt.Sprint(s.edge.Own), own) {
			t.Errorf("%s may be a member's address: only %v may not", own, s.edge.Own)
		}
	}
	if s.drainDelay != 5*time.Second || s.settleWait != 500*time.Millisecond {
		t.Errorf("times %v, %v", s.drainDelay, s.settleWait)
	}
	if got := s.catalogs[1].snapshotFile(); got != filepath.FromSlash("/var/lib/fairlead/catalog-test.json") {
		t.Errorf("snapshot file %s", got)
	}
}

func TestTokenFromFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret-8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := one(func(_ *Config, live *Cluster) { live.Consul = []*Consul{{Token: "{file." + file + "}"}} }).spec()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.catalogs[0].consul[0].Token; got != "secret-8" {
		t.Errorf("token %q", got)
	}
}

// TestLimitsOfACluster: what a cluster may serve and which Meta counts, each cluster by itself.
func TestLimitsOfACluster(t *testing.T) {
	s, err := one(func(c *Config, live *Cluster) {
		live.Domains, live.MetaKeys = []string{"*.Example.com", "example.org."}, []string{"domain", "fairlead_q*"}
		c.Clusters = append(c.Clusters, &Cluster{Name: "test", Prefix: "test.", Files: []*File{{Path: "t"}}})
	}).spec()
	if err != nil {
		t.Fatal(err)
	}
	service := func(cluster, name string, meta map[string]string) *discovery.Service {
		return &discovery.Service{Name: name, Instances: []discovery.Instance{{
			ID: discovery.InstanceID(cluster, "web", name), Cluster: cluster, Node: "web", Service: name, ServiceID: name,
			Address: "10.0.0.1", Port: 80, Meta: meta,
		}}}
	}
	in := pool.Input{Now: time.Now(), Meters: pool.NewMeters()}
	for _, cluster := range s.edge.Clusters {
		facts := discovery.NoFacts(cluster.Name)
		facts.Ready = true
		for _, name := range []string{"a.example.com", "example.org", "example.net"} {
			facts.Services[name] = service(cluster.Name, name, map[string]string{"fairlead_queue": "7", "fairlead_retries": "7"})
		}
		in.Clusters = append(in.Clusters, pool.ClusterInput{Config: cluster.ClusterConfig, Facts: facts})
	}
	snapshot, _ := pool.Build(nil, in)
	for i, want := range []string{"[a.example.com example.org] queue 7 retries 2", "[a.example.com example.net example.org] queue 7 retries 7"} {
		c := snapshot.Clusters[i]
		p := c.Exact["a.example.com"]
		got := fmt.Sprintf("%v queue %d retries %d", slices.Sorted(maps.Keys(c.Exact)), p.Spec.Queue, p.Spec.Retries)
		if got != want {
			t.Errorf("cluster %s has %s, want %s", c.Name, got, want)
		}
	}
}

// TestSameCatalog tells what makes two configurations share a catalog: its sources and hold, not its policy.
func TestSameCatalog(t *testing.T) {
	key := func(change func(c *Config, live *Cluster)) string {
		s, err := one(change).spec()
		if err != nil {
			t.Fatal(err)
		}
		return s.catalogs[0].key()
	}
	plain := key(func(*Config, *Cluster) {})
	if key(func(c *Config, live *Cluster) {
		live.Allow, live.Prefix, c.Defaults = []string{"10.0.0.0/8"}, "a.", pool.Settings{"retries": "1"}
	}) != plain {
		t.Error("another policy makes another catalog")
	}
	for name, change := range map[string]func(c *Config, live *Cluster){
		"agent": func(_ *Config, live *Cluster) { live.Consul = []*Consul{{}} },
		"poll":  func(_ *Config, live *Cluster) { live.Files[0].Poll = 1 },
		"hold":  func(_ *Config, live *Cluster) { live.VanishHold = 1 },
		"name":  func(_ *Config, live *Cluster) { live.Name = "other" },
		"dir":   func(c *Config, _ *Cluster) { c.StateDir = "/elsewhere" },
	} {
		if key(change) == plain {
			t.Errorf("another %s makes no other catalog", name)
		}
	}
}

// recorder is a slog.Handler that keeps what it is told.
type recorder struct {
	lines *[]string
	attrs string
}

func (r recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r recorder) Handle(_ context.Context, record slog.Record) error {
	*r.lines = append(*r.lines, r.attrs+record.Message)
	return nil
}
func (r recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	return recorder{r.lines, r.attrs + fmt.Sprint(attrs) + " "}
}
func (r recorder) WithGroup(name string) slog.Handler {
	return recorder{r.lines, r.attrs + name + ". "}
}

func TestProcessLogFollowsTheNewestConfiguration(t *testing.T) {
	old := *processLog.current.Load()
	defer processLog.follow(old)
	var first, second []string
	processLog.follow(recorder{lines: &first})
	log := slog.New(processLog).With("cluster", "live").WithGroup("g").With("a", 1)
	log.Info("one")
	processLog.follow(recorder{lines: &second})
	log.Info("two")
	if got := fmt.Sprint(first, second); got != "[[cluster=live] g. [a=1] one] [[cluster=live] g. [a=1] two]" {
		t.Error(got)
	}
}
