package main_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
)

// firings is how often Consul fires its watch in a row.
const firings = 200

// TestConsulRunsTheCheck has a Consul agent run the check, as a script check of its own and as the handler of a watch. The states follow
// from the exit codes, and a watch that fires without a cause moves nobody. That the healer could have acted is seen in the end.
func TestConsulRunsTheCheck(t *testing.T) {
	dir := t.TempDir()
	check, handler, fired := filepath.Join(dir, "check"), filepath.Join(dir, "handler"), filepath.Join(dir, "fired")
	agent := consul.Start(t, consul.Options{Persistent: true, Settings: map[string]any{
		"enable_local_script_checks": true,
		// A service of its own: a check of the node would count for all that runs on it, the copies among them.
		"services": []any{map[string]any{"name": "copies", "check": map[string]any{
			"id": "copies", "name": "copies", "args": []string{check}, "interval": "1s", "timeout": "10s",
		}}},
		"watches": []any{map[string]any{"type": "service", "service": "shop.example.com", "args": []string{handler}}},
	}})
	copies := map[string]*lab.Backend{"one": nil, "two": nil, "three": nil}
	for name := range copies {
		copies[name] = lab.StartBackend(t, name, nil)
	}
	register(t, agent, "shop.example.com", copies["one"])
	second := register(t, agent, "shop.example.com", copies["two"])
	edge, script := healedByScript(t, agent)
	command := fmt.Sprintf("'%s' check --address '%s'", lab.Binary(t), strings.TrimPrefix(edge.Admin, "http://"))
	program(t, handler, command+fmt.Sprintf(" >/dev/null\necho $? >>'%s'\n", fired))
	program(t, check, "exec "+command+"\n")
	state := func(want, says string) {
		t.Helper()
		soon(t, "the check to be "+want, func() bool {
			found, err := agent.Client().Agent().Checks()
			return err == nil && found["copies"] != nil && found["copies"].Status == want && strings.Contains(found["copies"].Output, says)
		})
	}
	state(api.HealthPassing, "shop.example.com  2        2")

	reloadInARow(t, agent, fired)
	if lines := string(content(t, fired)); !strings.HasSuffix(lines, strings.Repeat("0\n", firings)) {
		t.Errorf("the handler has ended with other codes than 0:\n%s", lines)
	}
	if calls := commands(script); len(calls) > 0 {
		t.Errorf("the healer has acted: %v", calls)
	}
	if n := repairs(t, edge); n != "0" {
		t.Errorf("%s repairs were begun", n)
	}

	third := register(t, agent, "shop.example.com", copies["three"])
	state(api.HealthWarning, "shop.example.com  3        2")
	for _, id := range []string{second, third} {
		if err := agent.Deregister(id); err != nil {
			t.Fatal(err)
		}
	}
	state(api.HealthCritical, "shop.example.com  1        2")
	soon(t, "a repair", func() bool { return len(commands(script)) > 0 && repairs(t, edge) != "0" })
}

// healedByScript starts an edge whose healer runs containers on a scripted engine, with impatient timers.
func healedByScript(t *testing.T, agent *consul.Agent) (*lab.Edge, *engine.Script) {
	t.Helper()
	script := engine.NewScript(t, "1.41")
	script.JSON("GET /info", 200, `{"Name":"vm"}`)
	script.JSON("GET /containers/json", 200, `[]`)
	script.JSON("GET /images/shop:1/json", 200, `{"Id":"sha256:0"}`)
	return lab.StartEdge(t, healing(agent.HTTP, wanted(t, "shop.example.com", 2, `{"image": "shop:1", "port": 8080}`), "docker "+script.Host, impatient, lab.FreePort(t))), script
}

// reloadInARow reloads Consul again and again, each time until its watch has fired, and compares the indexes of what it keeps.
func reloadInARow(t *testing.T, agent *consul.Agent, fired string) {
	t.Helper()
	before, count, began := indexes(t, agent), bytes.Count(content(t, fired), []byte("\n")), time.Now()
	for n := 1; n <= firings; n++ {
		if err := syscall.Kill(agent.PID(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for late := time.Now().Add(20 * time.Second); bytes.Count(content(t, fired), []byte("\n")) < count+n; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("reload %d fires no watch\n%s", n, agent.Log())
			}
		}
	}
	t.Logf("%d reloads in %v, each fired its watch", firings, time.Since(began).Round(time.Millisecond))
	if after := indexes(t, agent); !maps.Equal(before, after) {
		t.Errorf("something was written: the indexes were %v and are %v", before, after)
	}
}

// indexes returns the last index of each kind of what Consul keeps, and of each check but the one that Consul runs.
func indexes(t *testing.T, agent *consul.Agent) map[string]uint64 {
	t.Helper()
	all, client := map[string]uint64{}, agent.Client()
	note := func(kind string, meta *api.QueryMeta, err error) {
		if err != nil {
			t.Fatalf("asking for %s: %v", kind, err)
		}
		all[kind] = meta.LastIndex
	}
	_, meta, err := client.KV().List("", nil)
	note("KV", meta, err)
	_, meta, err = client.Catalog().Services(nil)
	note("services", meta, err)
	_, meta, err = client.Catalog().Nodes(nil)
	note("nodes", meta, err)
	checks, _, err := client.Health().State(api.HealthAny, nil)
	if err != nil {
		t.Fatalf("asking for checks: %v", err)
	}
	// Each by itself: Consul writes what its own script says, when it runs it anew after a reload.
	for _, c := range checks {
		if c.CheckID != "copies" {
			all["check "+c.CheckID] = c.ModifyIndex
		}
	}
	return all
}

// commands returns what the engine was told to do, and not only asked.
func commands(script *engine.Script) (told []string) {
	for _, call := range script.Calls() {
		if !strings.HasPrefix(call.Route, "GET ") && !strings.HasPrefix(call.Route, "HEAD ") {
			told = append(told, call.Route)
		}
	}
	return told
}

// repairs returns how many starts of a copy the metrics tell of.
func repairs(t *testing.T, edge *lab.Edge) string {
	t.Helper()
	metrics, err := edge.Get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(metrics)) {
		if n, ok := strings.CutPrefix(line, `fairlead_healer_repairs_total{cluster="live",kind="start"} `); ok {
			return strings.TrimSpace(n)
		}
	}
	t.Fatal("the metrics lack the repairs")
	return ""
}

// program writes a shell program, whole at once, as Consul may be running the one before.
func program(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// content returns a file's content, none if there is none.
func content(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return text
}
