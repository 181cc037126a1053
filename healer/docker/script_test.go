package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/tools/engine"
)

// Answers for API 1.41 were recorded from an engine. Those for 1.44 and 1.52 are the same with what the API's documentation changes.

var shop = healer.Service{Domain: "shop.example.com", Count: 2, Run: healer.Run{Image: "shop:1.4", Port: 8080}}

// scripted returns a runtime over a scripted engine.
func scripted(t *testing.T, version string, change func(*Config)) (*Runtime, *engine.Script) {
	t.Helper()
	script := engine.NewScript(t, version)
	script.JSON("GET /info", http.StatusOK, `{"Name":"vm"}`)
	config := Config{Engine: Engine{Host: script.Host, Timeout: 5 * time.Second}}
	if change != nil {
		change(&config)
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r, script
}

// recorded lets the script answer with the recorded containers.
func recorded(t *testing.T, script *engine.Script, version string) {
	t.Helper()
	script.File(t, "GET /containers/json", "testdata/containers-"+version+".json")
	document, err := os.ReadFile("testdata/inspected-" + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var inspected map[string]json.RawMessage
	if err := json.Unmarshal(document, &inspected); err != nil {
		t.Fatal(err)
	}
	for id, c := range inspected {
		script.JSON("GET /containers/"+id+"/json", http.StatusOK, string(c))
	}
}

func TestObserve(t *testing.T) {
	for _, version := range []string{"1.41", "1.44", "1.52"} {
		r, script := scripted(t, version, nil)
		recorded(t, script, version)
		o, err := r.Observe(t.Context(), &shop)
		if err != nil {
			t.Fatalf("API %s: %v", version, err)
		}
		if o.Replicas != -1 || o.Fence != 0 || o.Busy != "" {
			t.Errorf("API %s: %d replicas, fence %d, busy %q", version, o.Replicas, o.Fence, o.Busy)
		}
		var got, names []string
		for _, c := range o.Copies {
			if len(c.ID) != 64 || c.Node != "vm" || c.Since.IsZero() {
				t.Errorf("API %s: copy %q on %q since %s", version, c.ID, c.Node, c.Since)
			}
			got = append(got, fmt.Sprintf("%d.%d %t %s", c.Slot, c.Generation, c.Running, c.Problem))
			names = append(names, c.Name)
		}
		want := []string{
			"0.0 true container manual was not started by this Fairlead and is left alone",
			"0.0 true container shop.example.com.4.1 was not started by this Fairlead and is left alone",
			"1.1 false exit code 137",
			"1.2 true ",
			"2.1 false exit code 3",
			"3.1 false created but not started",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("API %s: copies\n%s\nwant\n%s", version, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if want := "manual shop.example.com.4.1 shop.example.com.1.1 shop.example.com.1.2 shop.example.com.2.1 shop.example.com.3.1"; strings.Join(names, " ") != want {
			t.Errorf("API %s: the copies are called %v", version, names)
		}
	}
}

func TestObserveRefuses(t *testing.T) {
	swarms := `[{"Id":"a","Names":["/shop.1.x"],"State":"running","Labels":{"SERVICE_NAME":"shop.example.com","com.docker.swarm.service.name":"shop"}}]`
	for _, c := range []struct {
		name string
		run  healer.Run
		list string
		want error
		says string
	}{
		{"a service that Swarm runs", shop.Run, swarms, healer.ErrRefused, "Swarm's service shop"},
		{"a Swarm service", healer.Run{Swarm: "shop"}, "[]", healer.ErrRefused, "not one of a plain engine"},
		{"another host", healer.Run{Image: "shop:1.4", Host: "web-2"}, "[]", healer.ErrRefused, "belongs to host web-2, and this is vm"},
	} {
		r, script := scripted(t, "1.41", nil)
		script.JSON("GET /containers/json", http.StatusOK, c.list)
		s := shop
		s.Run = c.run
		if _, err := r.Observe(t.Context(), &s); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestHungEngineIsUnknown(t *testing.T) {
	for _, route := range []string{"GET /_ping", "GET /info", "GET /containers/json"} {
		r, script := scripted(t, "1.41", func(c *Config) { c.Engine.Timeout = 100 * time.Millisecond })
		script.Handle("HEAD /_ping", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
		script.Hang(route)
		o, err := r.Observe(t.Context(), &shop)
		if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "unknown") || len(o.Copies) != 0 {
			t.Errorf("%s hangs: %v, copies %v", route, err, o.Copies)
		}
	}
}

func TestEngineThatIsNotThere(t *testing.T) {
	r, err := New(Config{Engine: Engine{Host: "unix://" + t.TempDir() + "/none.sock"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Observe(t.Context(), &shop); err == nil || !strings.Contains(err.Error(), "none.sock") {
		t.Errorf("observing: %v", err)
	}
}

// TestEngineUpgraded lets an engine come back that no longer speaks the old version.
func TestEngineUpgraded(t *testing.T) {
	r, script := scripted(t, "1.41", nil)
	script.JSON("GET /containers/json", http.StatusOK, "[]")
	for _, version := range []string{"1.41", "1.44"} {
		script.Handle("HEAD /_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", version) })
		if _, err := r.Observe(t.Context(), &shop); err != nil {
			t.Fatal(err)
		}
		calls := script.Calls("GET /containers/json")
		if got := calls[len(calls)-1].Version; got != version {
			t.Errorf("the engine speaks %s and was asked in %s", version, got)
		}
	}
}

const made = "00000000000000000000000000000000000000000000000000000000000000aa"

// starting lets the script go through a start that works.
func starting(script *engine.Script) {
	script.JSON("GET /images/shop:1.4/json", http.StatusOK, `{"Id":"sha256:1"}`)
	script.JSON("POST /containers/create", http.StatusCreated, `{"Id":"`+made+`"}`)
	script.JSON("GET /containers/json", http.StatusOK, "[]")
	script.JSON("POST /containers/"+made+"/start", http.StatusNoContent, "")
	script.JSON("GET /containers/"+made+"/json", http.StatusOK, `{"Id":"`+made+`","State":{"Status":"running","Running":true},"HostConfig":{},"Config":{"Labels":{}}}`)
	script.JSON("DELETE /containers/"+made, http.StatusNoContent, "")
}

func summary(id, state string, slot, generation int) string {
	return fmt.Sprintf(`{"Id":"%s","State":"%s","Labels":{"%s":"shop.example.com","%s":"%d","%s":"%d","%s":"fairlead"}}`,
		id, state, labelDomain, labelSlot, slot, labelGeneration, generation, labelOwner)
}

// inspected is a container that has the name of generation 3 in slot 1, made from what shop says unless changed.
func inspected(t *testing.T, r *Runtime, status string, change func(labels map[string]string)) string {
	t.Helper()
	s, err := r.specOf(&shop, place{shop.Domain, 1, 3})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(s.Config.Labels)
	}
	labels, err := json.Marshal(s.Config.Labels)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"Id":"%s","State":{"Status":"%s"},"HostConfig":{},"Config":{"Labels":%s}}`, made, status, labels)
}

// carryOut prepares an action and does it, as the supervisor does.
func carryOut(t *testing.T, r *Runtime, a healer.Action) error {
	t.Helper()
	if err := r.Prepare(t.Context(), a); err != nil {
		return err
	}
	return r.Do(t.Context(), a)
}

func TestStart(t *testing.T) {
	const conflict = `{"message":"Conflict. The container name is already in use"}`
	named := "GET /containers/shop.example.com.1.3/json"
	for _, c := range []struct {
		name    string
		prepare func(*Runtime, *engine.Script)
		want    error
		says    string
		started bool
		removed string // the container that is removed, if any
	}{
		{name: "works", started: true},
		{name: "somebody runs it", want: healer.ErrFenced, says: "there already (running)", prepare: func(r *Runtime, s *engine.Script) {
			s.JSON("POST /containers/create", http.StatusConflict, conflict)
			s.JSON(named, http.StatusOK, inspected(t, r, "running", nil))
		}},
		{name: "somebody ran it", want: healer.ErrFenced, says: "there already (exited)", prepare: func(r *Runtime, s *engine.Script) {
			s.JSON("POST /containers/create", http.StatusConflict, conflict)
			s.JSON(named, http.StatusOK, inspected(t, r, "exited", nil))
		}},
		{name: "somebody creates it", want: healer.ErrFenced, prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("POST /containers/create", http.StatusConflict, conflict)
			s.JSON(named, http.StatusNotFound, `{"message":"No such container"}`)
		}},
		{name: "created and left", started: true, prepare: func(r *Runtime, s *engine.Script) {
			s.JSON("POST /containers/create", http.StatusConflict, conflict)
			s.JSON(named, http.StatusOK, inspected(t, r, "created", nil))
		}},
		{name: "created from something else", want: healer.ErrFenced, prepare: func(r *Runtime, s *engine.Script) {
			s.JSON("POST /containers/create", http.StatusConflict, conflict)
			s.JSON(named, http.StatusOK, inspected(t, r, "created", func(l map[string]string) { l[labelSpec] = "another" }))
		}},
		{name: "a foreign container's name", want: healer.ErrRefused, says: "did not start", prepare: func(r *Runtime, s *engine.Script) {
			s.JSON("POST /containers/create", http.StatusConflict, conflict)
			s.JSON(named, http.StatusOK, inspected(t, r, "created", func(l map[string]string) { clear(l) }))
		}},
		{name: "a later generation came", want: healer.ErrFenced, says: "generation 4", removed: made, prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("GET /containers/json", http.StatusOK, "["+summary("b", "exited", 1, 4)+","+summary(made, "created", 1, 3)+"]")
		}},
		{name: "dead ones are removed after it", started: true, removed: "dead", prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("DELETE /containers/dead", http.StatusNoContent, "")
			s.JSON("GET /containers/json", http.StatusOK, "["+strings.Join([]string{summary("dead", "exited", 1, 1), summary("alive", "running", 1, 2),
				summary("other", "exited", 2, 1), summary(made, "created", 1, 3)}, ",")+"]")
		}},
		{name: "cannot be started", says: "port is already allocated", started: true, removed: made, prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("POST /containers/"+made+"/start", http.StatusInternalServerError, `{"message":"port is already allocated"}`)
		}},
		{name: "removed before it started", want: healer.ErrFenced, started: true, prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("POST /containers/"+made+"/start", http.StatusNotFound, `{"message":"No such container"}`)
		}},
		{name: "ends at once", says: "exit code 3", started: true, prepare: func(r *Runtime, s *engine.Script) {
			s.JSON("GET /containers/"+made+"/json", http.StatusOK, `{"Id":"`+made+`","State":{"Status":"exited","ExitCode":3},"HostConfig":{},"Config":{}}`)
		}},
		{name: "an image that went", want: healer.ErrUnknownService, says: "No such image", prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("POST /containers/create", http.StatusNotFound, `{"message":"No such image: shop:1.4"}`)
		}},
		{name: "an image that is nowhere", want: healer.ErrUnknownService, says: "manifest unknown", prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("GET /images/shop:1.4/json", http.StatusNotFound, `{"message":"No such image"}`)
			s.JSON("POST /images/create", http.StatusNotFound, `{"message":"manifest unknown"}`)
		}},
		{name: "a pull that breaks off", want: healer.ErrUnknownService, says: "toomanyrequests", prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("GET /images/shop:1.4/json", http.StatusNotFound, `{"message":"No such image"}`)
			s.JSON("POST /images/create", http.StatusOK, `{"status":"Pulling"}`+"\n"+`{"errorDetail":{"message":"toomanyrequests"}}`+"\n")
		}},
		{name: "an image that is pulled", started: true, prepare: func(_ *Runtime, s *engine.Script) {
			s.JSON("GET /images/shop:1.4/json", http.StatusNotFound, `{"message":"No such image"}`)
			s.JSON("POST /images/create", http.StatusOK, `{"status":"Pulling"}`+"\n"+`{"status":"Done"}`+"\n")
		}},
	} {
		for _, version := range []string{"1.41", "1.44", "1.52"} {
			r, script := scripted(t, version, nil)
			starting(script)
			if c.prepare != nil {
				c.prepare(r, script)
			}
			err := carryOut(t, r, healer.Action{Kind: healer.Start, Service: &shop, Slot: 1, Generation: 3})
			switch {
			case (err != nil) != (c.want != nil || c.says != ""), c.want != nil && !errors.Is(err, c.want), err != nil && !strings.Contains(err.Error(), c.says):
				t.Errorf("%s, API %s: %v, want %v with %q", c.name, version, err, c.want, c.says)
			}
			if starts := len(script.Calls("POST /containers/" + made + "/start")); (starts == 1) != c.started {
				t.Errorf("%s, API %s: %d starts", c.name, version, starts)
			}
			var removed []string
			for _, call := range script.Calls() {
				if id, is := strings.CutPrefix(call.Route, "DELETE /containers/"); is {
					removed = append(removed, id)
				}
			}
			if strings.Join(removed, " ") != c.removed {
				t.Errorf("%s, API %s: removed %v, want %q", c.name, version, removed, c.removed)
			}
		}
	}
}

// TestStartWithoutAnswer lets each step of a start hang: nobody knows then how it ended, and nothing is removed.
func TestStartWithoutAnswer(t *testing.T) {
	for _, route := range []string{"GET /images/shop:1.4/json", "POST /images/create", "POST /containers/create", "GET /containers/json",
		"POST /containers/" + made + "/start", "GET /containers/" + made + "/json"} {
		r, script := scripted(t, "1.41", func(c *Config) { c.Engine.Timeout, c.PullTimeout = 200*time.Millisecond, 100*time.Millisecond })
		starting(script)
		if route == "POST /images/create" {
			script.JSON("GET /images/shop:1.4/json", http.StatusNotFound, `{"message":"No such image"}`)
		}
		script.Hang(route)
		err := carryOut(t, r, healer.Action{Kind: healer.Start, Service: &shop, Slot: 1, Generation: 3})
		if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "unknown") || errors.Is(err, healer.ErrUnknownService) {
			t.Errorf("%s hangs: %v", route, err)
		}
		if removed := script.Calls("DELETE /containers/" + made); len(removed) != 0 {
			t.Errorf("%s hangs: the container was removed", route)
		}
	}
}

func TestDoRefuses(t *testing.T) {
	for name, a := range map[string]healer.Action{
		"no service":    {Kind: healer.Start},
		"a scale":       {Kind: healer.Scale, Service: &shop, To: 2},
		"no image":      {Kind: healer.Start, Service: &healer.Service{Domain: "a.example"}, Slot: 1, Generation: 1},
		"no slot":       {Kind: healer.Start, Service: &shop, Generation: 1},
		"no generation": {Kind: healer.Start, Service: &shop, Slot: 1},
	} {
		r, script := scripted(t, "1.41", nil)
		if err := r.Do(t.Context(), a); !errors.Is(err, healer.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.Prepare(t.Context(), a); (err == nil) != (a.Kind == healer.Scale) || err != nil && !errors.Is(err, healer.ErrRefused) {
			t.Errorf("preparing %s: %v", name, err)
		}
		if calls := script.Calls(); len(calls) != 0 {
			t.Errorf("%s: the engine was asked %+v", name, calls)
		}
	}
}

func TestStop(t *testing.T) {
	ours := `"io.fairlead.domain":"shop.example.com","io.fairlead.slot":"1","io.fairlead.generation":"3","io.fairlead.owner":"fairlead"`
	for _, c := range []struct {
		name    string
		labels  string
		running string
		list    string
		leave   error
		want    error
		says    string
		stopped bool
		removed bool
	}{
		{name: "ours", labels: ours, running: "true", stopped: true},
		{name: "ours, and superseded", labels: ours, running: "true", list: summary("b", "running", 1, 4), stopped: true, removed: true},
		{name: "ours, and its successor is dead", labels: ours, running: "true", list: summary("b", "exited", 1, 4), stopped: true},
		{name: "ours, and another slot runs", labels: ours, running: "true", list: summary("b", "running", 2, 4), stopped: true},
		{name: "ours, dead and superseded", labels: ours, running: "false", list: summary("b", "running", 1, 4), removed: true},
		{name: "ours, with clients that stay", labels: ours, running: "true", leave: errors.New("no leader"), says: "no leader"},
		{name: "of another domain", labels: strings.Replace(ours, "shop.", "x.", 1), running: "true", want: healer.ErrRefused},
		{name: "of another owner", labels: strings.Replace(ours, `"fairlead"`, `"x"`, 1), running: "true", want: healer.ErrRefused},
		{name: "foreign", labels: `"SERVICE_NAME":"shop.example.com"`, running: "true", want: healer.ErrRefused},
		{name: "Swarm's", labels: ours + `,"com.docker.swarm.service.name":"shop"`, running: "true", want: healer.ErrRefused},
		{name: "gone", want: healer.ErrFenced},
	} {
		r, script := scripted(t, "1.41", nil)
		left := ""
		r.halter.Leave = func(_ context.Context, id string) error { left = id; return c.leave }
		if c.labels != "" {
			script.JSON("GET /containers/"+made+"/json", http.StatusOK,
				`{"Id":"`+made+`","State":{"Status":"x","Running":`+c.running+`},"HostConfig":{},"Config":{"Labels":{`+c.labels+`}}}`)
		}
		script.JSON("GET /containers/json", http.StatusOK, "["+c.list+"]")
		script.JSON("POST /containers/"+made+"/stop", http.StatusNoContent, "")
		script.JSON("DELETE /containers/"+made, http.StatusNoContent, "")
		err := r.Do(t.Context(), healer.Action{Kind: healer.Stop, Service: &shop, Copy: made})
		switch {
		case (err != nil) != (c.want != nil || c.says != ""), c.want != nil && !errors.Is(err, c.want), err != nil && !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.says)
		}
		stops := script.Calls("POST /containers/" + made + "/stop")
		if (len(stops) == 1) != c.stopped || c.stopped && (stops[0].Query != "" || left != made) {
			t.Errorf("%s: stops %+v, left %q", c.name, stops, left)
		}
		if removed := len(script.Calls("DELETE /containers/" + made)); (removed == 1) != c.removed {
			t.Errorf("%s: removed %d times", c.name, removed)
		}
	}
}
