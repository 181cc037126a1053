package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/engine"
	"github.com/fairlead/fairlead/tools/lab"
)

func TestMain(m *testing.M) {
	code := m.Run()
	lab.RemoveBinary()
	os.Exit(code)
}

// TestMeasureAFew runs every part with a few containers, and looks whether any is left. Bounds are for a machine that does nothing else.
func TestMeasureAFew(t *testing.T) {
	e := engine.NewReal(t)
	t.Run("measure", func(t *testing.T) {
		kept := measure(t.Context(), t, e, consul.Require(t), size{starts: 2, containers: 20, interval: time.Second, rest: time.Second})
		t.Logf("bounds kept: %t", kept)
	})
	left, err := e.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label+"="+e.Suffix))})
	if err != nil || len(left) > 0 {
		t.Errorf("%d containers are left: %v", len(left), err)
	}
}

func TestRowIsKept(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		row  row
		kept bool
		says string
	}{
		{"at the bound", row{bound: 10 * ms, taken: []time.Duration{10 * ms, 5 * ms}}, true, "| 10 | yes |"},
		{"above it", row{bound: 10 * ms, taken: []time.Duration{11 * ms, 5 * ms}}, false, "| 10 | **no** |"},
		{"no bound", row{taken: []time.Duration{11 * ms}}, true, "|  |  |"},
		{"nothing measured", row{bound: 10 * ms}, false, "| 10 | **no** |"},
	} {
		if got := test.row.String(); test.row.kept() != test.kept || !strings.HasSuffix(got, test.says) {
			t.Errorf("%s: %s", test.name, got)
		}
	}
}

func TestStillnessIsKept(t *testing.T) {
	before := sight{at: time.Unix(0, 0), indexes: map[string]uint64{"kv": 7, "services": 9}}
	after := sight{at: time.Unix(100, 0), cpu: time.Second, indexes: map[string]uint64{"kv": 7, "services": 9}}
	var still stillness
	if still.compare(before, after); !still.kept() || still.cpu != 1 {
		t.Errorf("nothing happened: %+v", still)
	}
	after.indexes["services"] = 10
	var moved stillness
	if moved.compare(before, after); moved.kept() || !strings.Contains(moved.String(), "| services | none | **no** |") {
		t.Errorf("an index moved:\n%s", moved)
	}
	after.indexes["services"], after.writes.Failed = 9, 1
	var wrote stillness
	if wrote.compare(before, after); wrote.kept() {
		t.Errorf("a write was tried: %+v", wrote)
	}
}
