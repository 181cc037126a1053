package faults

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/tools/lab/fleet"
	"github.com/fairlead/fairlead/tools/lab/hosts"
)

// The two services. Of these the healer knows the first only.
const (
	tended   = fleet.Domain
	untended = "alone.example.com"
)

// names are the Swarm services of the domains.
var names = map[string]string{tended: "shop", untended: "alone"}

// ward is a laboratory whose faults are watched.
type ward struct {
	*fleet.Fleet
	name    string
	plain   bool
	hold    time.Duration // what the hold-down is at least
	count   int           // copies wanted of each of the two services
	clients []*traffic
	people  *people
	watch   *watch
	taps    map[string]*tap // by host; plain engines are reached through them
	fired   string          // the file that Consul's watches write to
}

// newWard starts a laboratory: three hosts in one Swarm, or one plain engine.
func newWard(t *testing.T, name string, plain bool, hold time.Duration) *ward {
	w := &ward{name: name, plain: plain, hold: hold, count: 3, people: newPeople(t), taps: map[string]*tap{}, fired: t.TempDir() + "/fired"}
	o := fleet.Options{Agent: registering(), Follow: following(), Heal: w.healing()}
	o.Heartbeat = heartbeat()
	o.Consul = map[string]any{
		"autopilot":   map[string]any{"cleanup_dead_servers": false}, // as docs/consul.md says
		"performance": map[string]any{"raft_multiplier": 3},          // or a busy machine's servers elect without need (5 is Consul's own)
		"watches": []map[string]any{{"type": "services", "handler_type": "script",
			"args": []string{"sh", "-c", "echo fired >>" + w.fired}}},
	}
	if plain {
		w.count = 2
		o.Options.Hosts, o.Plain, o.LiveRestore, o.Edges, o.Engine = 1, true, true, 1, w.tapped
	}
	w.Fleet = fleet.Start(t.Context(), t, o)
	if err := w.want(w.count); err != nil {
		t.Fatal(err)
	}
	if o.Plain {
		w.startAlone(t)
	} else {
		for domain, service := range names {
			spec := fleet.Service(service, domain, uint64(w.count), restarts())
			if _, err := w.Hosts[0].Docker().ServiceCreate(t.Context(), spec, swarm.ServiceCreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.until(t, "both services", slack+warmUp()+2*w.deficitFor(), w.complete)
	w.begin(t)
	return w
}

// begin starts the clients and the watcher.
func (w *ward) begin(t *testing.T) {
	w.watch = newWatch(w)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	running := 1
	go func() { w.watch.run(ctx); done <- struct{}{} }()
	for _, e := range w.Edges {
		for domain := range names {
			client := &traffic{domain: domain, edge: e.Addr()}
			w.clients = append(w.clients, client)
			running++
			go func() { client.run(ctx); done <- struct{}{} }()
		}
	}
	t.Cleanup(func() {
		cancel()
		for range running {
			<-done
		}
	})
}

// want writes the desired file: so many copies of the service that is tended, and more entries.
func (w *ward) want(count int, more ...string) error {
	run := `{"swarm": "shop"}`
	if w.plain {
		run = w.runOf(tended, hosts.Web, "")
	}
	entries := append([]string{fmt.Sprintf(`{"domain": %q, "count": %d, "run": %s}`, tended, count, run)}, more...)
	return w.Want(`{"services": [` + strings.Join(entries, ",\n") + `]}`)
}

// complete reports whether both services are as wanted.
func (w *ward) complete() bool {
	return w.present(tended) == w.count && w.present(untended) == w.count
}

// try lets one fault happen: from a calm laboratory, and back to one.
func (w *ward) try(t *testing.T, f *fault) {
	if !w.calm(t, f) {
		t.Fatal("the laboratory was not calm before: an earlier fault has not ended")
	}
	r := &result{fault: f}
	began := time.Now()
	w.watch.attend()
	defer func() {
		r.took, r.failed = time.Since(began), t.Failed()
		results.add(r)
		t.Logf("%d %s, in %s\npass: %s\nwith the healer: %s\nwithout: %s", f.number, f.name, round(r.took), f.pass,
			strings.Join(r.with, "; "), strings.Join(r.alone, "; "))
		if r.failed {
			w.explain(t)
			w.mend(t)
		}
		w.watch.dismiss()
	}()
	f.run(w, t, r)
	w.until(t, "both services to be as wanted (I4)", slack+lostAfter(), w.complete)
	ended := time.Now()
	w.until(t, "a container behind each registration (I6)", slack+2*resync(), func() bool { return w.watch.noGhosts(ended) })
	w.forgive(t)
	w.quiet(t)
	w.watch.judge(t)
}

// forgive forgets the attempts that were made: the next fault is another matter, and five within an hour would be given up.
func (w *ward) forgive(t *testing.T) {
	t.Helper()
	w.until(t, "the attempts to be forgotten", slack+handover(), func() bool {
		lead := w.leader()
		if lead < 0 {
			return false
		}
		answer, err := asker.Post(w.Edges[lead].Admin+"/fairlead/healer/forgive?service="+tended, "", nil)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == 200
	})
}

// mend brings the laboratory back after a fault that did not end as it should, so that the next one can show what it is about. What can
// not be mended shows when that one waits for calm.
func (w *ward) mend(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), slack)
	defer cancel()
	for _, h := range w.Hosts {
		if !h.On() {
			t.Logf("%s is powered on: %v", h.Name, h.PowerOn(ctx))
		}
		t.Logf("%s is well again: %v %v %v", h.Name, h.Heal(ctx), h.ResumeDocker(), h.Consul().Resume())
		for _, domain := range []string{tended, untended} {
			for _, e := range w.entries(domain) {
				if e.Node.Node == h.Name {
					t.Logf("%s answers its check well: %v", e.Service.ID, answer(e, "status=200"))
				}
			}
		}
	}
	t.Logf("the desired file is as it was: %v", w.want(w.count))
	if !w.plain {
		w.scale(t, w.count, nil)
	}
}

// calm waits until the services are as wanted and a healer acts that watches no more.
func (w *ward) calm(t *testing.T, f *fault) bool {
	ready := func() bool {
		leader := w.leader()
		if leader < 0 || !w.complete() {
			return false
		}
		return time.Since(w.watch.warmSince(leader)) > warmUp()
	}
	return w.eventually(slack+warmUp()+handover(), ready)
}

// quiet waits until nothing is written to Consul for a cycle (I7).
func (w *ward) quiet(t *testing.T) {
	t.Helper()
	window := resync() + time.Second
	var before, after string
	deadline := time.Now().Add(3*window + slack + probation())
	for time.Now().Before(deadline) {
		before = w.indexes()
		time.Sleep(window)
		if after = w.indexes(); before == after && before != "" {
			return
		}
	}
	t.Errorf("Consul is written to although all is well (I7): %s, %s later %s", before, window, after)
}

// until waits for something and returns how long it took; what never comes fails the test.
func (w *ward) until(t *testing.T, what string, within time.Duration, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	if !w.eventually(within, done) {
		t.Fatalf("never came, in %s: %s", round(within), what)
	}
	return round(time.Since(began))
}

func (w *ward) eventually(within time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(within); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// during watches that something stays so.
func (w *ward) during(t *testing.T, long time.Duration, holds func() error) {
	t.Helper()
	for deadline := time.Now().Add(long); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err := holds(); err != nil {
			t.Error(err)
			return
		}
	}
}

// both waits until each of the services is so, and returns when each was.
func (w *ward) both(t *testing.T, what string, within time.Duration, is func(domain string) bool) (healed, alone time.Duration) {
	t.Helper()
	began := time.Now()
	w.until(t, what, within, func() bool {
		if healed == 0 && is(tended) {
			healed = round(time.Since(began))
		}
		if alone == 0 && is(untended) {
			alone = round(time.Since(began))
		}
		return healed > 0 && alone > 0
	})
	return healed, alone
}

// explain shows what the healers last decided.
func (w *ward) explain(t *testing.T) {
	for i, e := range w.Edges {
		body, err := e.Get("/fairlead/healer")
		t.Logf("healer of edge %d: %s %v", i+1, body, err)
		body, err = e.Get("/fairlead/healer/audit?since=10m")
		t.Logf("its decisions: %s %v", body[max(0, len(body)-4000):], err)
	}
	for _, domain := range []string{tended, untended} {
		for _, entry := range w.entries(domain) {
			t.Logf("%s: %s on %s: %s", domain, entry.Service.ID, entry.Node.Node, entry.Checks.AggregatedStatus())
		}
	}
}

// firings counts how often Consul's watches have fired, on all hosts.
func (w *ward) firings() int {
	text, _ := os.ReadFile(w.fired) // none has fired yet
	return strings.Count(string(text), "\n")
}
