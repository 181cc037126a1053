package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/discovery/static"
	"github.com/fairlead/fairlead/proxy/pool"
)

// From a file to the client, over real sockets: what is written into the file is served, what an operator orders and a check finds
// out is obeyed, and every refusal is counted.
func TestFromFileToClient(t *testing.T) {
	dir := t.TempDir()
	backends := map[string]*httptest.Server{}
	var copies []map[string]any
	for _, id := range []string{"shop-1", "shop-2"} {
		b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, id) }))
		t.Cleanup(b.Close)
		backends[id] = b
		at := netip.MustParseAddrPort(b.Listener.Addr().String())
		copies = append(copies, map[string]any{"id": id, "node": "web", "address": at.Addr().String(), "port": at.Port()})
	}
	file := filepath.Join(dir, "services.json")
	write := func(services map[string]any) {
		t.Helper()
		text, err := json.Marshal(map[string]any{"services": services})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(map[string]any{})

	catalog := discovery.NewCatalog("live", []discovery.Source{static.New("live", file, 10*time.Millisecond, nil)}, discovery.CatalogOptions{})
	shared := NewShared(SharedOptions{})
	e, err := New(shared, Config{
		Clusters: []Cluster{{
			ClusterConfig: pool.ClusterConfig{Name: "live", Defaults: pool.Settings{
				"check": "tcp", "check_interval": "20ms", "check_rise": "1", "check_fall": "1", "retries": "0",
			}},
			Catalog: catalog, State: state.NewFile(filepath.Join(dir, "state.json")),
		}},
		Memory: Memory{File: filepath.Join(dir, "edge.json")},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Prime()
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	for _, run := range []func(context.Context) error{catalog.Run, shared.Run, e.Run} {
		loops.Go(func() { run(ctx) })
	}
	t.Cleanup(func() { cancel(); loops.Wait() })

	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := e.Serve(w, r, nil); refusal != nil {
			http.Error(w, refusal.Word(), refusal.Status)
		}
	}))
	t.Cleanup(front.Close)
	// answers returns what eight requests in a row got, each answer once.
	answers := func() string {
		seen := map[string]bool{}
		for range 8 {
			r, err := http.NewRequest("GET", front.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "shop.example.com"
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			seen[fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body)))] = true
		}
		var all []string
		for _, answer := range []string{"200 shop-1", "200 shop-2", "404 no_domain", "502 connect_failed", "503 no_member"} {
			if seen[answer] {
				all = append(all, answer)
			}
		}
		return strings.Join(all, ", ")
	}
	wants := func(when, want string) {
		t.Helper()
		got := ""
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if got = answers(); got == want {
				return
			}
		}
		t.Fatalf("%s: %q, want %q", when, got, want)
	}

	wants("with an empty file", "404 no_domain")
	write(map[string]any{"shop.example.com": copies})
	wants("with two copies", "200 shop-1, 200 shop-2")
	disable := pool.Override{Instance: "live/web/shop-1", Action: pool.Disable, Author: "ann", Reason: "test"}
	if err := e.SetOverride(t.Context(), disable); err != nil {
		t.Fatal(err)
	}
	wants("with one disabled", "200 shop-2")
	backends["shop-2"].Close()
	wants("with the other one stopped", "503 no_member")
	if err := e.DeleteOverride(t.Context(), disable.Instance); err != nil {
		t.Fatal(err)
	}
	wants("with the order taken back", "200 shop-1")
	write(map[string]any{})
	wants("with all gone", "404 no_domain")
	if n := e.Refusals(); n["no_domain"] < 16 || n["no_member"] < 8 {
		t.Errorf("refusals are counted as %v", n)
	}
}

// Checks may not dial what requests may not: the proxy itself, for one.
func TestChecksAreRefusedWhatRequestsAre(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	own := netip.MustParseAddrPort(listener.Addr().String())
	shared := NewShared(SharedOptions{})
	e, err := New(shared, Config{
		Own:      []netip.AddrPort{own},
		Clusters: []Cluster{{ClusterConfig: pool.ClusterConfig{Name: "live"}, Catalog: discovery.NewCatalog("live", nil, discovery.CatalogOptions{})}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Prime()
	if c, err := (checkDialer{shared.transport}).DialContext(t.Context(), "tcp", own.String()); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("dialled %v, %v", c, err)
	}
}
