package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/tools/lab"
	"github.com/fairlead/fairlead/tools/lab/fleet"
)

// lawless starts a healer that asks nobody whether it may act, over a file of copies.
func (w *ward) lawless(t *testing.T) (edge *lab.Edge, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "copies.json")
	writeCopies(t, file, w.entries(tended))
	h := w.Hosts[2]
	heal := fmt.Sprintf("desired %s\n\t\t\truntime swarm unix://%s\n\t\t\t%s", w.Desired, h.Socket(), w.healing())
	edge = w.StartEdge(fleet.Caddyfile(lab.FreePort(t), "file "+file+" {\n\t\t\t\tpoll 100ms\n\t\t\t}", heal))
	t.Cleanup(edge.Kill)
	time.Sleep(warmUp())
	return edge, file
}

// writeCopies writes copies as a cluster's file has them.
func writeCopies(t *testing.T, file string, entries []*api.ServiceEntry) {
	t.Helper()
	type copyIn struct {
		Service string `json:"service"`
		ID      string `json:"id"`
		Address string `json:"address"`
		Port    int    `json:"port"`
	}
	var all struct {
		Instances []copyIn `json:"instances"`
	}
	for _, e := range entries {
		all.Instances = append(all.Instances, copyIn{tended, e.Service.ID, e.Service.Address, e.Service.Port})
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(file+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// planOf counts the repairs that a healer has planned.
func planOf(e *lab.Edge) (n int) {
	var all struct {
		Clusters []struct {
			Totals struct{ Planned map[string]int }
		}
	}
	if e.GetJSON("/fairlead/healer", &all) != nil || len(all.Clusters) == 0 {
		return 0
	}
	for _, k := range all.Clusters[0].Totals.Planned {
		n += k
	}
	return n
}
