package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/healer/docker"
	"github.com/fairlead/fairlead/tools/engine"
)

// Answers for API 1.41 were recorded from an engine. Those for 1.44 and 1.52 are the same with what the API's documentation adds.
const (
	shopID      = "ajlj489kr6rtv9tud4frbo3iu"
	nodeID      = "il00ws9mh3abgq0wb816sms16"
	shopVersion = 14
	first       = "4167b290ec360609c30b2667671bf1a29977d15fbfba98777eea2a06108de709"
	second      = "8965860ffb29e21916e252a9d6ce2eda34e64681dc233c284bfde064026bb5e7"
)

var shop = healer.Service{Domain: "shop.example.com", Count: 3, Run: healer.Run{Swarm: "shop"}}

// scripted returns a runtime over a scripted manager of this API version, with service shop of 2 replicas.
func scripted(t *testing.T, version string, change func(*Config)) (*Runtime, *engine.Script) {
	t.Helper()
	script := engine.NewScript(t, version)
	script.File(t, "GET /services/shop", "testdata/service-"+version+".json")
	script.File(t, "GET /tasks", "testdata/tasks-1.41.json")
	script.File(t, "GET /nodes", "testdata/nodes-1.41.json")
	script.JSON("GET /nodes/"+nodeID, http.StatusOK, `{"ID":"`+nodeID+`","Description":{"Hostname":"vm"},"Status":{"State":"ready"}}`)
	script.JSON("GET /info", http.StatusOK, `{"Name":"vm","Swarm":{"NodeID":"`+nodeID+`"}}`)
	script.JSON("POST /services/"+shopID+"/update", http.StatusOK, `{"Warnings":null}`)
	config := Config{Engine: docker.Engine{Host: script.Host, Timeout: 5 * time.Second}, Lately: 100 * 365 * 24 * time.Hour}
	if change != nil {
		change(&config)
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r, script
}

// altered sets the answer about service shop to the recorded one with one text replaced by another.
func altered(t *testing.T, script *engine.Script, from, to string) {
	t.Helper()
	document, err := os.ReadFile("testdata/service-1.41.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), from) {
		t.Fatalf("the recorded service has no %s", from)
	}
	script.JSON("GET /services/shop", http.StatusOK, strings.Replace(string(document), from, to, 1))
}

func TestObserve(t *testing.T) {
	for _, version := range []string{"1.41", "1.44", "1.52"} {
		r, _ := scripted(t, version, nil)
		o, err := r.Observe(t.Context(), &shop)
		if err != nil {
			t.Fatalf("API %s: %v", version, err)
		}
		if o.Replicas != 2 || o.Fence != shopVersion || o.Busy != "" {
			t.Errorf("API %s: %d replicas, fence %d, busy %q", version, o.Replicas, o.Fence, o.Busy)
		}
		want := []healer.Copy{
			{ID: first, Name: "shop.1.dy7yr8vm83hkdte3rsufmo750", Slot: 1, Running: true},
			{ID: "sdx4oewihp2a2m6j65gdczjl7", Slot: 2, Problem: "rejected: No such image: nosuch:1"},
			{ID: second, Name: "shop.2.96uupfezqp6sntz1jtlvbvkh4", Slot: 2, Running: true},
			{ID: "yi1uvbb14kbzmjps4iiqh02bc", Slot: 3, Problem: "rejected: No such image: nosuch:1"},
		}
		if len(o.Copies) != len(want) {
			t.Fatalf("API %s: copies %+v", version, o.Copies)
		}
		for i, c := range o.Copies {
			if c.Since.IsZero() || c.Node != "vm" {
				t.Errorf("API %s: copy %s on %q since %s", version, c.ID, c.Node, c.Since)
			}
			c.Since, c.Node = time.Time{}, ""
			if c != want[i] {
				t.Errorf("API %s: copy %d is %+v, want %+v", version, i, c, want[i])
			}
		}
	}
}

func TestObserveForgetsOldTasks(t *testing.T) {
	r, _ := scripted(t, "1.41", func(c *Config) { c.Lately = time.Nanosecond })
	o, err := r.Observe(t.Context(), &shop)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Copies) != 3 { // the one that is to be shut down is over, the rejected one of slot 3 is wanted
		t.Errorf("copies %+v", o.Copies)
	}
}

func TestObserveNodeDown(t *testing.T) {
	r, script := scripted(t, "1.41", nil)
	script.JSON("GET /nodes", http.StatusOK,
		`[{"ID":"`+nodeID+`","Description":{"Hostname":"vm"},"Status":{"State":"down","Message":"heartbeat failure"}}]`)
	o, err := r.Observe(t.Context(), &shop)
	if err != nil {
		t.Fatal(err)
	}
	if c := o.Copies[0]; c.Running || c.Problem != "node vm is down: heartbeat failure" {
		t.Errorf("copy %+v", c)
	}
}

func TestBusy(t *testing.T) {
	for state, want := range map[string]string{
		"updating": "an update runs: m", "paused": "an update is paused: m", "rollback_started": "an update is being rolled back: m",
		"rollback_paused": "the rollback of an update is paused: m", "completed": "", "rollback_completed": "",
		"resting": "its update is resting: m", "": "",
	} {
		r, script := scripted(t, "1.41", nil)
		altered(t, script, `"Spec": {`, `"UpdateStatus":{"State":"`+state+`","Message":"m"},"Spec": {`)
		o, err := r.Observe(t.Context(), &shop)
		if err != nil || o.Busy != want {
			t.Errorf("%q: busy %q (%v), want %q", state, o.Busy, err, want)
		}
		err = r.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &shop, To: 3, Fence: shopVersion})
		if (want != "") != errors.Is(err, healer.ErrRefused) {
			t.Errorf("%q: scaling: %v", state, err)
		}
		if updates := len(script.Calls("POST /services/" + shopID + "/update")); (want == "") != (updates == 1) {
			t.Errorf("%q: %d updates", state, updates)
		}
	}
}

func TestScaleSendsTheWholeSpec(t *testing.T) {
	for _, version := range []string{"1.41", "1.44"} {
		r, script := scripted(t, version, nil)
		if err := r.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &shop, To: 3, Fence: shopVersion}); err != nil {
			t.Fatalf("API %s: %v", version, err)
		}
		calls := script.Calls("POST /services/" + shopID + "/update")
		if len(calls) != 1 || calls[0].Query != "registryAuthFrom=spec&version=14" || calls[0].Version != version {
			t.Fatalf("API %s: updates %+v", version, calls)
		}
		document, err := os.ReadFile("testdata/service-" + version + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var before struct{ Spec any }
		var sent any
		if err := errors.Join(decode(document, &before), decode(calls[0].Body, &sent)); err != nil {
			t.Fatal(err)
		}
		if got := difference("Spec", before.Spec, sent); got != "Spec.Mode.Replicated.Replicas" {
			t.Errorf("API %s: the update changes %q", version, got)
		}
		before.Spec.(map[string]any)["Mode"].(map[string]any)["Replicated"].(map[string]any)["Replicas"] = json.Number("3")
		if got := difference("Spec", before.Spec, sent); got != "" {
			t.Errorf("API %s: the update changes %q as well", version, got)
		}
	}
}

func TestScaleRefuses(t *testing.T) {
	for _, c := range []struct {
		name     string
		version  string
		from, to string // change of the recorded service
		action   healer.Action
		want     error
		says     string
	}{
		{name: "a field that the library does not know", version: "1.52", want: healer.ErrRefused, says: "Spec.TaskTemplate.Resources.MemorySwappiness"},
		{name: "a field of its own", from: `"ForceUpdate": 0`, to: `"ForceUpdate":0,"Colour":"red"`, want: healer.ErrRefused, says: "Spec.TaskTemplate.Colour"},
		{name: "a list with something unknown", from: `"UID": "0"`, to: `"UID":"0","Until":1`, want: healer.ErrRefused, says: "Secrets[0].File.Until"},
		{name: "an image without a tag", from: "rec-shop:1.4", to: "rec-shop", want: healer.ErrRefused, says: "rec-shop:latest"},
		{name: "an image written at length", from: "rec-shop:1.4", to: "docker.io/library/nginx:1", want: healer.ErrRefused, says: "written as nginx:1"},
		{name: "another version", action: healer.Action{Fence: 13}, want: healer.ErrFenced, says: "version 14, was 13"},
		{name: "lower", action: healer.Action{To: 1}, want: healer.ErrRefused, says: "never lowered"},
		{name: "more than is wanted", action: healer.Action{To: 4}, want: healer.ErrRefused, says: "4 were asked for"},
		{name: "nothing", action: healer.Action{To: -1}, want: healer.ErrRefused, says: "-1 were asked for"},
		{name: "global", from: `"Replicated": {`, to: `"Global":{},"Elsewhere":{`, want: healer.ErrRefused, says: "global"},
		{name: "a job", from: `"Replicated": {`, to: `"ReplicatedJob":{},"Elsewhere":{`, want: healer.ErrRefused, says: "a job"},
		{name: "found by the beginning of an ID", from: `"Name": "shop"`, to: `"Name":"other"`, want: healer.ErrUnknownService},
		{name: "a start", action: healer.Action{Kind: healer.Start}, want: healer.ErrRefused, says: "Swarm itself"},
	} {
		if c.version == "" {
			c.version = "1.41"
		}
		r, script := scripted(t, c.version, nil)
		if c.from != "" {
			altered(t, script, c.from, c.to)
		}
		a := healer.Action{Kind: healer.Scale, Service: &shop, To: 3, Fence: shopVersion}
		if c.action.Kind != "" {
			a.Kind = c.action.Kind
		}
		if c.action.To != 0 {
			a.To = c.action.To
		}
		if c.action.Fence != 0 {
			a.Fence = c.action.Fence
		}
		err := r.Do(t.Context(), a)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.says)
		}
		if updates := script.Calls("POST /services/" + shopID + "/update"); len(updates) != 0 {
			t.Errorf("%s: updated with %s", c.name, updates[0].Body)
		}
	}
}

func TestScaleToWhatIsThere(t *testing.T) {
	r, script := scripted(t, "1.41", nil)
	if err := r.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &shop, To: 2, Fence: shopVersion}); err != nil {
		t.Error(err)
	}
	if updates := script.Calls("POST /services/" + shopID + "/update"); len(updates) != 0 {
		t.Errorf("updated with %s", updates[0].Body)
	}
}

func TestAnswersThatSayNo(t *testing.T) {
	for _, c := range []struct {
		name   string
		route  string
		status int
		text   string
		want   error
	}{
		{"unknown", "GET /services/shop", 404, "service shop not found", healer.ErrUnknownService},
		{"a worker", "GET /services/shop", 503, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.", ErrNotManager},
		{"not in a swarm", "GET /services/shop", 503, `This node is not a swarm manager. Use \"docker swarm init\"`, ErrNotManager},
		{"no leader", "GET /services/shop", 500, "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online.", ErrNoLeader},
		{"changed before the update", "POST /services/" + shopID + "/update", 500, "rpc error: code = Unknown desc = update out of sequence", healer.ErrFenced},
	} {
		r, script := scripted(t, "1.41", nil)
		script.JSON(c.route, c.status, `{"message":"`+c.text+`"}`)
		err := r.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &shop, To: 3, Fence: shopVersion})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), strings.Split(c.text, `\"`)[0]) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestHungEngineIsUnknown(t *testing.T) {
	for _, route := range []string{"GET /services/shop", "GET /tasks", "GET /nodes"} {
		r, script := scripted(t, "1.41", func(c *Config) { c.Engine.Timeout = 100 * time.Millisecond })
		script.Hang(route)
		o, err := r.Observe(t.Context(), &shop)
		if !errors.Is(err, docker.ErrNoAnswer) || !strings.Contains(err.Error(), "unknown") || len(o.Copies) != 0 {
			t.Errorf("%s hangs: %v, copies %v", route, err, o.Copies)
		}
	}
	r, script := scripted(t, "1.41", func(c *Config) { c.Engine.Timeout = 200 * time.Millisecond })
	script.Hang("POST /services/" + shopID + "/update")
	err := r.Do(t.Context(), healer.Action{Kind: healer.Scale, Service: &shop, To: 3, Fence: shopVersion})
	if !errors.Is(err, docker.ErrNoAnswer) || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("a hung update: %v", err)
	}
}

// recorder is a Stopper that notes what it was told.
type recorder struct {
	node, container, reason string
	err                     error
}

func (r *recorder) Stop(_ context.Context, node, container, reason string) error {
	r.node, r.container, r.reason = node, container, reason
	return r.err
}

func TestStop(t *testing.T) {
	const elsewhere = `{"Name":"edge","Swarm":{"NodeID":"other"}}`
	inspected := func(service string) string {
		return `{"Id":"` + second + `","State":{"Status":"running","Running":true},"HostConfig":{},"Config":{"Labels":{"com.docker.swarm.service.id":"` + service + `"}}}`
	}
	for _, c := range []struct {
		name      string
		container string
		info      string
		inspected string
		fence     uint64
		stopper   bool
		err       error // of the stopper
		agent     bool  // whether this process is the engine's agent
		want      error
		stopped   bool
		ordered   bool
	}{
		{name: "here, and we are its agent", inspected: inspected(shopID), stopped: true, stopper: true, agent: true},
		{name: "here, and another is its agent", stopper: true, ordered: true},
		{name: "here, and it has no agent", inspected: inspected(shopID), stopped: true, stopper: true, ordered: true, err: docker.ErrNoAgent},
		{name: "here, and its agent refuses", stopper: true, ordered: true, err: healer.ErrRefused, want: healer.ErrRefused},
		{name: "here, and nobody to order", inspected: inspected(shopID), stopped: true},
		{name: "here, and gone", want: healer.ErrFenced},
		{name: "here, of another service", inspected: inspected("x"), want: healer.ErrRefused},
		{name: "elsewhere", info: elsewhere, stopper: true, ordered: true},
		{name: "elsewhere, and it has no agent", info: elsewhere, stopper: true, ordered: true, err: docker.ErrNoAgent, want: docker.ErrNoAgent},
		{name: "elsewhere, and nobody to order", info: elsewhere, want: ErrElsewhere},
		{name: "of no task", container: strings.Repeat("0", 64), stopper: true, want: healer.ErrFenced},
		{name: "a task without a container", container: "yi1uvbb14kbzmjps4iiqh02bc", stopper: true, want: healer.ErrFenced},
		{name: "the beginning of an ID", container: second[:12], stopper: true, want: healer.ErrFenced},
		{name: "an empty ID", container: "-", stopper: true, want: healer.ErrFenced},
		{name: "another version", fence: 13, inspected: inspected(shopID), stopper: true, want: healer.ErrFenced},
	} {
		told, left := &recorder{err: c.err}, ""
		r, script := scripted(t, "1.41", func(config *Config) {
			if c.stopper {
				config.Stopper = told
			}
			if c.agent {
				config.Leave = func(_ context.Context, container string) error { left = container; return nil }
			}
		})
		if c.info != "" {
			script.JSON("GET /info", http.StatusOK, c.info)
		}
		if c.inspected != "" {
			script.JSON("GET /containers/"+second+"/json", http.StatusOK, c.inspected)
		}
		script.JSON("POST /containers/"+second+"/stop", http.StatusNoContent, "")
		a := healer.Action{Kind: healer.Stop, Service: &shop, Copy: second, Node: "vm", Fence: shopVersion, Reason: "critical for 60s"}
		switch {
		case c.container == "-":
			a.Copy = ""
		case c.container != "":
			a.Copy = c.container
		}
		if c.fence != 0 {
			a.Fence = c.fence
		}
		if err := r.Do(t.Context(), a); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if stops := len(script.Calls("POST /containers/" + second + "/stop")); (stops == 1) != c.stopped {
			t.Errorf("%s: %d stops", c.name, stops)
		}
		if c.agent && left != second {
			t.Errorf("%s: clients left %q", c.name, left)
		}
		if want := (recorder{"vm", second, "critical for 60s", c.err}); (*told == want) != c.ordered {
			t.Errorf("%s: ordered %+v", c.name, *told)
		}
	}
}
