package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/tools/engine"
)

// nodes sets the nodes of a scripted swarm: the recorded one as often as named, with another name and availability each.
func nodes(t *testing.T, script *engine.Script, all ...[2]string) {
	t.Helper()
	recorded, err := os.ReadFile("testdata/nodes-1.41.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(recorded, &list); err != nil {
		t.Fatal(err)
	}
	var made []map[string]any
	for _, n := range all {
		text, _ := json.Marshal(list[0]) // it was read a moment ago
		var node map[string]any
		if err := json.Unmarshal(text, &node); err != nil {
			t.Fatal(err)
		}
		node["ID"] = "id-" + n[0]
		node["Spec"].(map[string]any)["Availability"] = n[1]
		node["Description"].(map[string]any)["Hostname"] = n[0]
		made = append(made, node)
	}
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	script.JSON("GET /nodes", http.StatusOK, string(text))
}

func TestHoldAndRelease(t *testing.T) {
	const update = "POST /nodes/id-h1/update"
	for _, c := range []struct {
		name   string
		nodes  [][2]string
		do     func(*Runtime) (bool, error)
		closed bool
		to     string // what the node is set to
		want   error
	}{
		{name: "hold", nodes: [][2]string{{"h1", "active"}, {"h2", "active"}}, do: hold, closed: true, to: "pause"},
		{name: "hold what is held", nodes: [][2]string{{"h1", "pause"}, {"h2", "active"}}, do: hold},
		{name: "hold what is drained", nodes: [][2]string{{"h1", "drain"}, {"h2", "active"}}, do: hold},
		{name: "hold the last one", nodes: [][2]string{{"h1", "active"}, {"h2", "pause"}}, do: hold, want: healer.ErrRefused},
		{name: "hold one of two of a name", nodes: [][2]string{{"h1", "active"}, {"h1", "active"}, {"h2", "active"}}, do: hold, want: healer.ErrRefused},
		{name: "hold a stranger", nodes: [][2]string{{"h2", "active"}, {"h3", "active"}}, do: hold, want: healer.ErrUnknownHost},
		{name: "release", nodes: [][2]string{{"H1", "pause"}}, do: release, to: "active"},
		{name: "release what is drained", nodes: [][2]string{{"h1", "drain"}}, do: release},
		{name: "release what is back", nodes: [][2]string{{"h1", "active"}}, do: release},
		{name: "release a stranger", nodes: [][2]string{{"h2", "active"}}, do: release, want: healer.ErrUnknownHost},
	} {
		r, script := scripted(t, "1.41", nil)
		nodes(t, script, c.nodes...)
		for _, route := range []string{update, "POST /nodes/id-H1/update"} {
			script.JSON(route, http.StatusOK, "")
		}
		closed, err := c.do(r)
		if closed != c.closed || !errors.Is(err, c.want) {
			t.Errorf("%s: %t, %v", c.name, closed, err)
		}
		calls := script.Calls(update, "POST /nodes/id-H1/update")
		if c.to == "" && len(calls) > 0 || c.to != "" && len(calls) != 1 {
			t.Errorf("%s: %d updates", c.name, len(calls))
		}
		for _, call := range calls {
			var spec swarm.NodeSpec
			if err := json.Unmarshal(call.Body, &spec); err != nil || string(spec.Availability) != c.to || spec.Role != "manager" || call.Query != "version=9" {
				t.Errorf("%s: %s with %s", c.name, call.Body, call.Query)
			}
		}
	}
	r, script := scripted(t, "1.41", nil)
	nodes(t, script, [2]string{"h1", "active"}, [2]string{"h2", "active"})
	script.JSON(update, http.StatusInternalServerError, `{"message":"rpc error: code = Unknown desc = update out of sequence"}`)
	if closed, err := hold(r); closed || !errors.Is(err, healer.ErrFenced) {
		t.Errorf("a node that somebody else has changed: %t, %v", closed, err)
	}
}

func hold(r *Runtime) (bool, error) { return r.Hold(context.Background(), "h1") }

func release(r *Runtime) (bool, error) { return false, r.Release(context.Background(), "h1") }

func TestOthers(t *testing.T) {
	r, script := scripted(t, "1.41", nil)
	script.JSON("GET /services", http.StatusOK, `[{"ID":"`+shopID+`","Spec":{"Name":"shop"}}]`)
	names, err := r.Others(t.Context(), "vm")
	if err != nil || !slices.Equal(names, []string{"shop"}) {
		t.Errorf("%v, %v", names, err)
	}
	for _, call := range script.Calls("GET /tasks") {
		if !strings.Contains(call.Query, nodeID) {
			t.Errorf("asked for the tasks of %s", call.Query)
		}
	}
	if _, err := r.Others(t.Context(), "x"); !errors.Is(err, healer.ErrUnknownHost) {
		t.Errorf("%v", err)
	}
}
