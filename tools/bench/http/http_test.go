package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/fairlead/fairlead/tools/lab"
)

func TestMain(m *testing.M) {
	code := m.Run()
	lab.RemoveBinary()
	os.Exit(code)
}

// TestPeersServeTheSame starts every proxy that is here and refuses one that answers something else.
func TestPeersServeTheSame(t *testing.T) {
	lab.Require(t, "nginx", "haproxy")
	s := newSettings(t, 3, 5)
	startMembers(t.Context(), t, s)
	for _, name := range []string{"nginx", "haproxy", "haproxy-splice", "caddy", "fairlead-loop", "fairlead-portable", "fairlead-off"} {
		p, err := knownPeer(t, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		run := p.start(t.Context(), t, s)
		if err := verify(t.Context(), run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, other := range []string{"loop", "portable", "off"} {
			if run.engine != "" && run.engine != other {
				mistaken := *run
				mistaken.engine = other
				if err := verify(t.Context(), &mistaken); err == nil {
					t.Errorf("%s passes for fairlead-%s", name, other)
				}
			}
		}
	}
	config, err := embedded.ReadFile("peers/nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(string) string{
		"other bytes": func(c string) string {
			return strings.ReplaceAll(c, "location / {", "location /16k { return 200 other; }\nlocation / {")
		},
		"no kept connection": func(c string) string { return strings.ReplaceAll(c, `Connection ""`, "Connection close") },
		"no forwarded proto": func(c string) string { return strings.ReplaceAll(c, "$scheme", "http") },
		"one member": func(c string) string {
			return strings.Replace(c, "{{- range .Members}}", "{{- range slice .Members 0 1}}", 1)
		},
	} {
		folder := filepath.Join(t.TempDir(), "mine")
		text := change(string(config))
		if text == string(config) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{"nginx.conf": text, "command": "nginx -e stderr -c {{.Dir}}/nginx.conf\n"} {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := ownPeer(folder, "nginx")
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(t.Context(), p.start(t.Context(), t, s)); err == nil {
			t.Errorf("a proxy with %s passes", what)
		}
	}
}

// TestScenarios runs every load for two seconds, and looks at the memory of a few idle connections.
func TestScenarios(t *testing.T) {
	lab.Require(t, "nginx", "wrk", "h2load")
	s := newSettings(t, 3, 1)
	startMembers(t.Context(), t, s)
	p, err := knownPeer(t, "nginx", nil)
	if err != nil {
		t.Fatal(err)
	}
	run := p.start(t.Context(), t, s)
	for _, one := range scenarios() {
		got := measure(t.Context(), t, one, run, 2*time.Second)
		for _, f := range []figure{cpu, rates, p50, p99, memory} {
			if !(got[f] > 0) || math.IsInf(got[f], 0) {
				t.Errorf("%s: %s is %v", one.name, f, got[f])
			}
		}
		if one.name == "rate" && got[rates] > 1.05*float64(*rate) {
			t.Errorf("%.0f requests a second, want %d at most", got[rates], *rate)
		}
	}
	for name, door := range map[string]func(*process) address{"plain": plain, "TLS": ended} {
		// What few connections in clear take disappears among the pages that the kernel takes back meanwhile.
		if each, before := idleMemory(t.Context(), t, p, s, 300, door); name == "TLS" && each <= 0 || before <= 0 {
			t.Errorf("an idle connection by %s takes %.0f bytes beside %.0f", name, each, before)
		}
	}
}

// TestProfiles looks for the engine in a profile of what was measured.
func TestProfiles(t *testing.T) {
	lab.Require(t, "nginx", "wrk")
	s := newSettings(t, 1, 1)
	startMembers(t.Context(), t, s)
	p, err := knownPeer(t, "fairlead-loop", nil)
	if err != nil {
		t.Fatal(err)
	}
	taken, file := new(profiles), filepath.Join(t.TempDir(), "merged")
	measureLoad(t.Context(), t, scenarios()[0], []*peer{p}, s, 2, time.Second, taken)
	taken.merge(t, file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := profile.ParseData(text)
	if err != nil {
		t.Fatal(err)
	}
	served := slices.ContainsFunc(merged.Function, func(f *profile.Function) bool { return strings.Contains(f.Name, "proxy/lane.") })
	if !served || len(taken.taken) != 2 || merged.DurationNanos < int64(2*time.Second) {
		t.Errorf("%d profiles, of the engine: %t\n%s", len(taken.taken), served, merged)
	}
	if dir, err := os.Getwd(); err != nil || strings.Contains(merged.String(), filepath.Dir(dir)) {
		t.Errorf("the profile tells where it was made (%v)", err)
	}
}

func TestReadWrk(t *testing.T) {
	const good = `Running 1s test @ http://127.0.0.1:1/128
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.62ms    5.63ms  59.09ms   92.27%
  Latency Distribution
     50%  950.00us
     75%    6.40ms
     90%   10.41ms
     99%    1.02s 
  876 requests in 1.10m, 117.20KB read
`
	got, err := readWrk([]byte(good))
	if want := (outcome{requests: 876, took: 66 * time.Second, p50: 950 * time.Microsecond, p99: 1020 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", strings.ReplaceAll(good, "876 requests", "0 requests"), good + "  Non-2xx or 3xx responses: 1\n", good + "  Socket errors: connect 0, read 1, write 0, timeout 0\n"} {
		if got, err := readWrk([]byte(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
}

func TestReadRequests(t *testing.T) {
	got, err := readRequests([]byte("1\t200\t10\n2\t200\t30\n3\t200\t20\n"), time.Second)
	if want := (outcome{requests: 3, took: time.Second, p50: 20 * time.Microsecond, p99: 30 * time.Microsecond}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1\t502\t10\n", "1\t200\n", "1\t200\tx\n"} {
		if got, err := readRequests([]byte(bad), time.Second); err == nil {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
}

func TestBounds(t *testing.T) {
	of := map[string]samples{
		"keepalive": {
			"fairlead-off": {{cpu: 2}, {cpu: 40}, {cpu: 3}},
			"caddy":        {{cpu: 4}, {cpu: 100}, {cpu: 5}}, // ratios 0.5, 0.4, 0.6: not that of the medians, 0.6
		},
		"idle": {"fairlead-loop": {{each: 1.5}}},
	}
	if value, ok := (bound{"fairlead-off", "keepalive", cpu, "caddy", 0.5}).value(of); !ok || value != 0.5 {
		t.Errorf("got %v, %v, want the median of the rounds' ratios", value, ok)
	}
	for _, absent := range []bound{{"fairlead-loop", "keepalive", cpu, "caddy", 1}, {"fairlead-off", "keepalive", cpu, "nginx", 1}, {"fairlead-off", "idle", each, "", 1}} {
		if value, ok := absent.value(of); ok {
			t.Errorf("%+v has the value %v", absent, value)
		}
	}
	if missed := printBounds(of); missed != 1 { // the memory
		t.Errorf("%d bounds are missed, want 1", missed)
	}
	of["keepalive"]["fairlead-off"][0][cpu] = 3
	if missed := printBounds(of); missed != 2 {
		t.Errorf("%d bounds are missed, want 2", missed)
	}
}

func TestBoundsNameWhatThereIs(t *testing.T) {
	wanted, err := choose("")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{"": true}
	for _, name := range known {
		there[name] = true
	}
	for _, b := range bounds() {
		if !wanted[b.scenario] || !there[b.peer] || !there[b.beside] {
			t.Errorf("%+v names a peer or scenario that does not exist", b)
		}
	}
	if _, err := choose("keepalive,none"); err == nil {
		t.Error("an unknown scenario is taken")
	}
}
