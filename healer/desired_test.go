package healer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const goodDesired = `{"services": [
  {"domain": "Shop.example.com.", "count": 3, "run": {"swarm": "shop"}},
  {"domain": "db.example.com", "cluster": "test", "count": 2, "stateful": true, "min_available": 2, "on_partition": "hold",
   "run": {"image": "db:1.4", "host": "h1", "port": 6379, "command": ["db", "-x"], "env": {"A": "b"}, "labels": {"l": ""},
           "mounts": [{"source": "data", "target": "/data", "read_only": true}, {"source": "/x", "target": "/y"}]}},
  {"domain": "redis", "count": 1, "singleton": true, "stateful": true, "on_partition": "self_stop", "run": {"image": "redis"}}
]}`

func TestParse(t *testing.T) {
	d, err := Parse("desired.json", []byte(goodDesired), []string{"live", "test"})
	if err != nil {
		t.Fatal(err)
	}
	live, test := d.In("live"), d.In("test")
	if len(live) != 2 || len(test) != 1 || live[0].Domain != "redis" || live[1].Domain != "shop.example.com" || live[1].Run.Swarm != "shop" {
		t.Fatalf("live %+v, test %+v", live, test)
	}
	want := Service{Domain: "db.example.com", Cluster: "test", Count: 2, MinAvailable: 2, Stateful: true, OnPartition: "hold",
		Run: Run{Image: "db:1.4", Host: "h1", Port: 6379, Command: []string{"db", "-x"}, Env: map[string]string{"A": "b"},
			Labels: map[string]string{"l": ""}, Mounts: []Mount{{"data", "/data", true}, {"/x", "/y", false}}}}
	if !reflect.DeepEqual(*test[0], want) {
		t.Errorf("got %+v\nwant %+v", *test[0], want)
	}
	if live[0].Least() != 1 || live[1].Least() != 2 || test[0].Least() != 2 || !test[0].holds() || live[1].holds() ||
		live[0].holds() || !live[0].StopsItself() || test[0].StopsItself() {
		t.Error("defaults")
	}
}

func TestParseErrors(t *testing.T) {
	entry := func(fields string) string {
		return "{\"services\": [\n{\"domain\": \"a.example.com\", \"count\": 2, \"run\": {\"swarm\": \"a\"}},\n{" + fields + "}]}"
	}
	swarm := `, "run": {"swarm": "b"}`
	plain := func(fields string) string {
		return entry(`"domain": "b.example.com", "count": 2, "run": {"image": "b"` + fields + `}`)
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty file", "", "desired.json:1: the file ends too early"},
		{"cut short", goodDesired[:200], "desired.json:3: service 2 (db.example.com): the file ends too early"},
		{"no services field", "{}", `desired.json:1: the field "services" is missing`},
		{"no services", `{"services": []}`, "desired.json: no services: an empty list is not taken"},
		{"null", "null", `desired.json:1: expected "{", found <nil>`},
		{"unknown field at the top", `{"service": []}`, `desired.json:1: unknown field "service"`},
		{"something behind", `{"services": [{"domain": "a", "count": 2, "run": {"swarm": "a"}}]} {}`, "something follows"},
		{"unknown field", entry(`"domain": "b.example.com", "conut": 2`), `desired.json:3: service 2 (b.example.com): unknown field "conut"`},
		{"unknown field of run", plain(`, "prot": 2`), `desired.json:3: service 2 (b.example.com): unknown field "prot"`},
		{"a field twice", entry(`"domain": "b.example.com", "count": 2, "count": 3` + swarm), `"count" is given twice`},
		{"count 0", entry(`"domain": "b.example.com", "count": 0` + swarm), "desired.json:3: service 2 (b.example.com): field count: 0; nothing is ever scaled to 0"},
		{"no count", entry(`"domain": "b.example.com"` + swarm), "field count: 0"},
		{"count below 2", entry(`"domain": "b.example.com", "count": 1` + swarm), `want at least 2, or "singleton": true`},
		{"count is text", entry(`"domain": "b.example.com", "count": "2"` + swarm), "field count: string where a value of type int belongs"},
		{"two of a singleton", entry(`"domain": "b.example.com", "count": 2, "singleton": true` + swarm), "there cannot be 2 of a singleton"},
		{"min available", entry(`"domain": "b.example.com", "count": 2, "min_available": 3` + swarm), "field min_available: 3 is not between"},
		{"on partition", entry(`"domain": "b.example.com", "count": 2, "on_partition": "stop"` + swarm), `field on_partition: "stop" is none of`},
		{"self-stop without a unit", plain(`, "labels": {"SERVICE_SELF_STOP": "60"}`), "field run: labels: SERVICE_SELF_STOP: self_stop \"60\": want a time"},
		{"a service twice", entry(`"domain": "A.example.com", "count": 2` + swarm), "wanted already by service 1"},
		{"a Swarm service twice", entry(`"domain": "b.example.com", "count": 2, "run": {"swarm": "a"}`), "service 1 runs the same copies"},
		{"unknown cluster", entry(`"domain": "b.example.com", "count": 2, "cluster": "prod"` + swarm), `no cluster "prod" is configured; there is live, test`},
		{"no domain", entry(`"count": 2` + swarm), "desired.json:3: service 2: field domain: it is missing"},
		{"bad domain", entry(`"domain": "b..com", "count": 2` + swarm), "field domain: not a domain"},
		{"wildcard", entry(`"domain": "*.b.com", "count": 2` + swarm), "a wildcard names no service"},
		{"bad name", entry(`"domain": "b c", "count": 2` + swarm), "neither a domain nor the name of a service"},
		{"swarm and image", plain(`, "swarm": "b"`), "field run: both swarm and image"},
		{"neither", entry(`"domain": "b.example.com", "count": 2, "run": {}`), "field run: nothing to run"},
		{"no run", entry(`"domain": "b.example.com", "count": 2`), "field run: nothing to run"},
		{"swarm with a port", entry(`"domain": "b.example.com", "count": 2, "run": {"swarm": "b", "port": 80}`), `nothing can stand beside "swarm"`},
		{"several hosts", plain(`, "host": ["h1", "h2"]`), "desired.json:3: service 2 (b.example.com): field host: copies on a plain engine belong to exactly one engine"},
		{"several hosts in a text", plain(`, "host": "h1,h2"`), "field host: copies on a plain engine belong to exactly one engine"},
		{"port 0", plain(`, "port": 0`), "field port: 0 is not a port from 1 to 65535"},
		{"port too high", plain(`, "port": 65536`), "field port: 65536 is not a port"},
		{"port is text", plain(`, "port": "http"`), "field port"},
		{"port is half", plain(`, "port": 1.5`), "field port: 1.5 is not a port"},
		{"env", plain(`, "env": {"A=B": "c"}`), `"A=B" is no name of a variable`},
		{"env is no text", plain(`, "env": {"A": 1}`), `field env: "A": number where`},
		{"mount", plain(`, "mounts": [{"source": "x", "target": "y"}]`), "mounts: entry 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Parse("desired.json", []byte(c.text), []string{"live", "test"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "desired.json:") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if d != nil {
				t.Errorf("something was read: %+v", d)
			}
		})
	}
}

func TestDesiredFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "desired.json")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := NewDesiredFile(path, []string{"live"}, time.Second, nil)
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(what string, count int, problem string) {
			t.Helper()
			synctest.Wait()
			d, got := f.Current()
			is := 0
			if d != nil {
				is = d.Services[0].Count
			}
			if is != count || (problem == "") != (got == "") || !strings.Contains(got, problem) {
				t.Errorf("%s: count %d, problem %q; want %d, %q", what, is, got, count, problem)
			}
		}
		text := func(count string) string {
			return `{"services": [{"domain": "a.example.com", "count": ` + count + `, "run": {"swarm": "a"}}]}`
		}
		expect("missing from the start", 0, "desired.json is missing")
		changed := f.Changed()
		write(text("3"))
		time.Sleep(time.Second)
		expect("written", 3, "")
		select {
		case <-changed:
		default:
			t.Error("nobody was told")
		}
		for _, bad := range []struct{ text, problem string }{
			{text("0"), "nothing is ever scaled to 0"}, {"", "ends too early"}, {`{"services": []}`, "no services"}, {text("4")[:20], "ends too early"},
		} {
			write(bad.text)
			time.Sleep(time.Second)
			expect("seen once it may be half written", 3, "")
			time.Sleep(time.Second)
			expect("bad for longer", 3, bad.problem)
			write(text("3"))
			time.Sleep(time.Second)
			expect("as before", 3, "")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		expect("gone", 3, "is missing")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		expect("a folder", 3, "not a regular file")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(text("5"))
		time.Sleep(time.Second)
		expect("back with news", 5, "")
	})
}

// What Parse takes is within all limits, and whatever it refuses names the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte(goodDesired))
	f.Add([]byte(`{"services": [{"domain": "b.example.com", "count": 2, "run": {"image": "b", "host": ["x"], "port": 1e2}}]}`))
	f.Add([]byte(`{"services": [{"domain": "b", "count": 1, "singleton": true, "run": {"image": "b", "mounts": [{}, {}]}}, {}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse("f.json", text, []string{"live", "test"})
		if err != nil {
			if d != nil || !strings.HasPrefix(err.Error(), "f.json:") {
				t.Errorf("%v with %+v", err, d)
			}
			return
		}
		if len(d.Services) == 0 {
			t.Error("nothing is wanted")
		}
		seen := map[string]bool{}
		for _, s := range d.Services {
			key := s.Cluster + "/" + s.Domain
			if seen[key] || s.Domain == "" || s.Count < 1 || s.Count == 1 && !s.Singleton || s.Least() > s.Count || (s.Run.Swarm == "") == (s.Run.Image == "") {
				t.Errorf("accepted %+v", s)
			}
			seen[key] = true
		}
	})
}
