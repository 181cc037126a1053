package main_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

var (
	soakFor     = flag.Duration("soak", time.Minute, "how long each of the lane's engines is soaked")
	soakEngines = flag.String("engines", "loop,portable", "the engines that are soaked, by commas")
)

const (
	soakQuick = "quick.example.com" // small answers, whose members die without a word
	soakBulk  = "bulk.example.com"  // bodies of every kind, whose members come and go as they should
)

// The mixed load of many requests while members come, go, drain and die and configurations are replaced: nothing fails, and nothing grows.
func TestSoak(t *testing.T) {
	for engine := range strings.SplitSeq(*soakEngines, ",") {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			soak(t, engine)
		})
	}
}

func soak(t *testing.T, engine string) {
	w := newSoakWorld(t)
	plain, secure := lab.FreePort(t), lab.FreePort(t)
	e := lab.StartEdge(t, fmt.Sprintf(`{
	admin {ADMIN}
	skip_install_trust
	http_port %d
	https_port %d
	auto_https disable_redirects
	fairlead {
		lane %s
		cluster live {
			file %s
		}
	}
}
http://:%d {
	fairlead
}
https://%s, https://%s {
	tls internal
	fairlead
}
`, plain, secure, engine, w.file, plain, soakQuick, soakBulk))
	clients := soakClients(plain, secure)
	for _, c := range clients { // certificates take a moment
		for start := time.Now(); c.ask() != nil && time.Since(start) < 20*time.Second; {
			time.Sleep(20 * time.Millisecond)
		}
	}
	runSoak(t, clients, 3*time.Second) // warms up
	before := sizeOf(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), *soakFor)
	defer cancel()
	var others sync.WaitGroup
	others.Go(func() { w.stir(ctx, t, e) })
	others.Go(func() { reloadEvery(ctx, t, e, min(30*time.Second, *soakFor/5)) })
	sent, failures := loadSoak(ctx, clients)
	cancel()
	others.Wait()
	for _, failure := range failures {
		t.Error(failure)
	}
	after := sizeOf(t, e)
	t.Logf("%s for %s: %d requests, %d failed; before and after: %v, %v", engine, *soakFor, sent, len(failures), before, after)
	if sent < 1000 {
		t.Error("that is too little load to show anything")
	}
	if after.goroutines > before.goroutines+30 || after.descriptors > before.descriptors+40 || after.heap > 2*before.heap+16 {
		t.Errorf("something has grown: %v, then %v", before, after)
	}
}

// reloadEvery loads the configuration anew until ctx ends.
func reloadEvery(ctx context.Context, t *testing.T, e *lab.Edge, pause time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if err := e.Reload(); err != nil {
			t.Errorf("reloading: %v", err)
		}
	}
}

// size is what of a process might grow.
type size struct {
	goroutines, descriptors int
	heap                    int // MiB in use after a collection
}

func (s size) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d MiB", s.goroutines, s.descriptors, s.heap)
}

var (
	goroutineTotal = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapInUse      = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

// sizeOf measures a process that has had nothing to do for a moment.
func sizeOf(t *testing.T, e *lab.Edge) (s size) {
	t.Helper()
	time.Sleep(3 * time.Second) // what a reload has replaced ends
	number := func(path string, of *regexp.Regexp) int {
		text, err := e.Get(path)
		if err != nil {
			t.Fatal(err)
		}
		match := of.FindSubmatch(text)
		if match == nil {
			t.Fatalf("%s tells nothing", path)
		}
		n, _ := strconv.Atoi(string(match[1])) // digits
		return n
	}
	s.heap = number("/debug/pprof/heap?gc=1&debug=1", heapInUse) >> 20
	s.goroutines = number("/debug/pprof/goroutine?debug=1", goroutineTotal)
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.PID()))
	if err != nil {
		t.Fatal(err)
	}
	s.descriptors = len(entries)
	return s
}

func runSoak(t *testing.T, clients []*soakClient, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if _, failures := loadSoak(ctx, clients); len(failures) > 0 {
		t.Fatalf("before anything happens: %v", failures)
	}
}

// loadSoak lets all clients ask until ctx ends, and gives up their connections.
func loadSoak(ctx context.Context, clients []*soakClient) (sent int, failures []string) {
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { c.run(ctx) })
	}
	all.Wait()
	for _, c := range clients {
		sent += c.sent
		failures = append(failures, c.failures...)
		c.sent, c.failures = 0, nil
		c.http.Transport.(*http.Transport).CloseIdleConnections()
	}
	return sent, failures
}
