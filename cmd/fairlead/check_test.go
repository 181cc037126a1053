package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/admin"
	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab"
)

// ended is what a command has said and how it ended.
type ended struct {
	code     int
	out, err string
}

func runToEnd(t *testing.T, args ...string) ended {
	t.Helper()
	var out, failed bytes.Buffer
	cmd := exec.Command(lab.Binary(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &failed
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), failed.String()}
}

// clocked is what no output of a check may have: it would fire watches.
var clocked = regexp.MustCompile(`\d\d:\d\d`)

// TestCheck compares desired files with what a running Fairlead knows, and looks at exit codes, as Consul does.
func TestCheck(t *testing.T) {
	one, two := lab.StartBackend(t, "one", nil), lab.StartBackend(t, "two", nil)
	file := writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {one, two}, "db.example.com": {one}})
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	fairlead {
		start_wait 100ms
		cluster live {
			file %s
		}
		cluster test {
			prefix test.
			file %s
		}
	}
}
http://:%d {
	fairlead
}
`, file, filepath.Join(t.TempDir(), "missing.json"), lab.FreePort(t)))
	address := "--address=" + strings.TrimPrefix(e.Admin, "http://")
	entry := func(domain, count, cluster string) string {
		return fmt.Sprintf(`{"domain": %q, %s, "cluster": %q, "run": {"swarm": "%s-%s"}}`, domain, count, cluster, domain, cluster)
	}
	dir := t.TempDir()
	desired := func(name string, entries ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("{\"services\": [\n"+strings.Join(entries, ",\n")+"\n]}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return "--desired=" + path
	}
	few, enough := entry("shop.example.com", `"count": 3`, "live"), entry("shop.example.com", `"count": 2`, "live")
	many, doubted := entry("shop.example.com", `"count": 1, "singleton": true`, "live"), entry("shop.example.com", `"count": 2`, "test")
	fewToo, right := entry("db.example.com", `"count": 2`, "live"), entry("db.example.com", `"count": 1, "singleton": true`, "live")
	for _, c := range []struct {
		name string
		args []string
		code int
		out  []string // in what it prints
		err  []string // in what it complains of
	}{
		{"as many", []string{desired("as-many", enough, right)}, 0, []string{"STATE", "passing  live     shop.example.com  2        2"}, nil},
		{"more", []string{desired("more", many, right)}, 1, []string{"warning", "passing"}, nil},
		{"fewer", []string{desired("fewer", few, right)}, 2, []string{"critical  live     shop.example.com  2        3"}, nil},
		{"doubt", []string{desired("doubt", doubted, enough)}, 3, []string{"unknown", "?", "nothing is known of cluster test yet"}, nil},
		{"fewer and doubt", []string{desired("both", doubted, few)}, 2, []string{"unknown", "critical"}, nil},
		{"fewer of one", []string{desired("one", enough, fewToo), "shop.example.com"}, 0, []string{"shop.example.com"}, nil},
		{"fewer of the other", []string{desired("one", enough, fewToo), "live/db.example.com", "shop.example.com"}, 2, []string{"db.example.com", "shop.example.com"}, nil},
		{"JSON", []string{desired("fewer", few), "--json"}, 2, []string{`"state": "critical"`, `"present": 2`}, nil},
		{"a service that is not wanted", []string{desired("fewer", few), "db.example.com"}, 3, nil, []string{`no service "db.example.com"`}},
		{"a file that makes no sense", []string{desired("zero", right, entry("shop.example.com", `"count": 0`, "live"))}, 3, nil, []string{"zero:3: ", "nothing is ever scaled to 0"}},
		{"no file", []string{"--desired=" + filepath.Join(dir, "none")}, 3, nil, []string{"no such file"}},
		{"no healing", nil, 3, nil, []string{"no healing is configured"}},
		{"a misspelt flag", []string{"--desierd=x"}, 3, nil, []string{"unknown flag"}},
		{"no time", []string{desired("fewer", few), "--timeout=0s"}, 3, nil, []string{"does not answer within 0s"}},
	} {
		args := append([]string{"check", address}, c.args...)
		first := runToEnd(t, args...)
		if len(c.out) > 0 {
			if second := runToEnd(t, args...); first != second {
				t.Errorf("%s: two runs differ: %+v, %+v", c.name, first, second)
			}
		}
		if first.code != c.code || clocked.MatchString(first.out) || len(c.out) == 0 && first.out != "" || len(c.err) == 0 && first.err != "" {
			t.Errorf("%s: exit code %d, want %d; printed\n%s\nand complained\n%s", c.name, first.code, c.code, first.out, first.err)
		}
		for _, want := range c.out {
			if !strings.Contains(first.out, want) {
				t.Errorf("%s: printed\n%s\nwant %q", c.name, first.out, want)
			}
		}
		for _, want := range c.err {
			if !strings.Contains(first.err, want) {
				t.Errorf("%s: complained\n%s\nwant %q", c.name, first.err, want)
			}
		}
	}
	if nobody := runToEnd(t, "check", fmt.Sprintf("--address=127.0.0.1:%d", lab.FreePort(t))); nobody.code != 3 || !strings.Contains(nobody.err, "is Fairlead running") || nobody.out != "" {
		t.Errorf("asking nobody: %+v", nobody)
	}
}

// healedEdge is as much of an edge as the pages about healing need.
type healedEdge struct {
	admin.Edge
	table *pool.Table
}

func (e healedEdge) Table() *pool.Table { return e.table }

// stillCatalog is a cluster in which nothing changes.
type stillCatalog struct{ facts *discovery.Facts }

func (c stillCatalog) Facts() *discovery.Facts              { return c.facts }
func (c stillCatalog) Subscribe() (<-chan struct{}, func()) { return nil, func() {} }

// serveHealing serves the API of a healer that runs over one present copy of three, and whose engine does not answer.
func serveHealing(t *testing.T) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "desired.json")
	if err := os.WriteFile(path, []byte(`{"services": [{"domain": "shop.example.com", "count": 3, "run": {"swarm": "shop"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	facts := &discovery.Facts{
		Cluster: "live", Ready: true, Sources: []discovery.SourceStatus{{Name: "still", Ready: true}},
		Services: map[string]*discovery.Service{"shop.example.com": {Name: "shop.example.com", Instances: []discovery.Instance{{ServiceID: "shop-1", Node: "web1"}}}},
	}
	file := healer.NewDesiredFile(path, []string{"live"}, 0, nil)
	supervisor := healer.New(healer.Options{
		Cluster: "live", Catalog: stillCatalog{facts}, State: state.NewFile(filepath.Join(t.TempDir(), "state.json")), Desired: file,
		Runtime: func(*healer.Service) (healer.Runtime, error) { return nil, errors.New("the engine is away") },
		Policy:  healer.Policy{WarmUp: time.Millisecond, Tick: 20 * time.Millisecond, RoundGap: time.Millisecond},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- file.Run(ctx) }()
	go func() { done <- supervisor.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		<-done
	})
	table := pool.NewTable()
	table.Store(&pool.Snapshot{Version: 1, Clusters: []*pool.Cluster{{Name: "live"}}})
	server := httptest.NewServer(admin.New(healedEdge{table: table}, &admin.Healing{
		Desired: file, Supervisors: []*healer.Supervisor{supervisor}, Facts: func() []*discovery.Facts { return []*discovery.Facts{facts} },
		Registrars: func() []registrar.Status {
			return []registrar.Status{{
				Owner: "fairlead", Source: registrar.SourceStatus{
					Name: "docker", Reason: "the engine is away", Refused: []string{"container mail, port 25/tcp: it is a loopback address"},
				},
				Agent:  registrar.AgentStatus{Address: "127.0.0.1:8500", Node: "web1", Up: true, Leader: true},
				Counts: registrar.Counts{Desired: 5, Agreeing: 4, Pending: 1}, Items: []registrar.Item{{ServiceID: "shop-9", Error: "no port"}},
			}}
		},
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestHealingCommands(t *testing.T) {
	address := "--address=" + serveHealing(t)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(runToEnd(t, "heal", "--dry-run", address).out, "runtime"); {
		if time.Now().After(deadline) {
			t.Fatalf("the plan does not come: %+v", runToEnd(t, "heal", "--dry-run", address))
		}
	}
	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"check", 2, []string{"critical  live     shop.example.com  1        3"}},
		{"heal", 1, []string{"say --dry-run"}},
		{"heal everything", 1, []string{"unknown command"}},
		{"heal --dry-run", 0, []string{"REPAIR", "live", "shop.example.com", "critical", "runtime", "the engine is away"}},
		{"heal --dry-run --json", 0, []string{`"gate": "runtime"`}},
		{"heal --dry-run --cluster stage", 1, []string{`no cluster "stage" is healed`}},
		{"heal pause --for 1h", 1, []string{"say why"}},
		{"heal pause --reason disk", 1, []string{"say how long"}},
		{"heal pause --reason disk --for 1d", 1, []string{`ttl "1d" cannot be read`}},
		{"heal pause --reason disk --for 1h --service a --host b", 1, []string{"none of the others can be"}},
		{"heal pause --reason disk --for 1h --service none.example.com", 1, []string{`no service "none.example.com" is wanted`}},
		{"heal pause --reason disk --for 1h --host web1 --author kim", 0, []string{"paused: host web1 of cluster live, until "}},
		{"heal pause --reason disk --for 1h --service shop.example.com", 0, []string{"paused: service shop.example.com of cluster live"}},
		{"heal pause --reason fire --for 1h --brake", 0, []string{"paused: fleet brake of cluster live"}},
		{"heal pause --reason move --for 1h --cluster live", 0, []string{"paused: healing of cluster live"}},
		{"heal resume --host WEB1", 0, []string{"resumed: host web1 of cluster live, paused by kim: disk"}},
		{"heal resume --host web1", 1, []string{"no pause of host web1 is in force"}},
		{"heal resume --brake", 0, []string{"resumed: fleet brake of cluster live"}},
		{"heal resume", 0, []string{"resumed: healing of cluster live"}},
		{"heal forgive shop.example.com", 0, []string{"forgiven: the attempts at shop.example.com of cluster live"}},
		{"heal forgive", 1, []string{"accepts 1 arg"}},
		{"registrations", 0, []string{"REGISTERED", "fairlead", "127.0.0.1:8500", "docker: the engine is away", "shop-9: no port", "refused: container mail, port 25/tcp: it is"}},
		{"registrations --json", 0, []string{`"agreeing": 4`}},
	} {
		got := runToEnd(t, append(strings.Fields(c.args), address)...)
		if got.code != c.code {
			t.Errorf("fairlead %s: exit code %d, want %d: %+v", c.args, got.code, c.code, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got.out+got.err, want) {
				t.Errorf("fairlead %s prints\n%s%s\nwant %q", c.args, got.out, got.err, want)
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := runToEnd(t, "heal", "--dry-run", address).out
		if strings.Contains(got, "paused: service shop.example.com") && strings.Contains(got, "cluster live: paused until") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pause is not obeyed:\n%s", got)
		}
	}
}

// TestHealingAsConfigured asks a whole Fairlead whose engine is away: nothing can be healed, and every face says so.
func TestHealingAsConfigured(t *testing.T) {
	one := lab.StartBackend(t, "one", nil)
	file := writeCatalog(t, map[string][]*lab.Backend{"shop.example.com": {one}})
	dir := t.TempDir()
	desired := filepath.Join(dir, "desired.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(desired+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(desired+".new", desired); err != nil {
			t.Fatal(err)
		}
	}
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	fairlead {
		cluster live {
			file %s
		}
		heal {
			desired %s
			poll 50ms
			runtime docker unix://%s
			timers {
				warm_up 1ms
				tick 50ms
				round_gap 10ms
			}
		}
	}
}
http://:%d {
	fairlead
}
`, file, desired, filepath.Join(dir, "none.sock"), lab.FreePort(t)))
	address := "--address=" + strings.TrimPrefix(e.Admin, "http://")
	until := func(args string, code int, words ...string) {
		t.Helper()
		var got ended
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			got = runToEnd(t, append(strings.Fields(args), address)...)
			missing := slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(got.out+got.err, word) })
			if got.code == code && !missing {
				return
			}
		}
		t.Fatalf("fairlead %s: %+v, want exit code %d and %q", args, got, code, words)
	}
	until("check", 3, "desired.json is missing")
	write(`{"services": [{"domain": "shop.example.com", "count": 2, "run": {"image": "shop:1"}}]}`)
	until("check", 2, "critical  live     shop.example.com  1        2")
	until("heal --dry-run", 0, "shop.example.com", "runtime", "none.sock")
	until("heal pause --reason disk --for 1h", 0, "paused: healing of cluster live")
	until("heal --dry-run", 0, "cluster live: paused until", "paused: all")
	until("registrations", 0, "nothing is registered by this Fairlead")
	write(`{"services": [`)
	until("check", 2, "the desired file cannot be used", "critical")
	metrics, err := e.Get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`fairlead_healer_state{cluster="live",service="shop.example.com"} 2`, `fairlead_healer_wanted{cluster="live",service="shop.example.com"} 2`,
		`fairlead_healer_pauses{cluster="live"} 1`, `fairlead_healer_leading{cluster="live"} 1`,
	} {
		if !strings.Contains(string(metrics), line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}
