package docker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

// load puts the answers of a folder of testdata into a script, and returns the lines of its events.
func (s *script) load(t *testing.T, version string) []string {
	t.Helper()
	file := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join("testdata", version, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var inspects, lists []map[string]any
	for name, into := range map[string]any{"inspect.json": &inspects, "list.json": &lists, "networks.json": &s.networks} {
		if err := json.Unmarshal(file(name), into); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range inspects {
		id := c["Id"].(string)
		s.inspects[id], s.lists[id] = c, lists[i]
		s.order = append(s.order, id)
	}
	return strings.Split(strings.TrimSpace(string(file("events.json"))), "\n")
}

const recordedShop = "eacd57978a6eb6d5758076d8da003cd0e045690dafa5b717d4984defe18db746"

// Answers of every version make the same instances.
func TestVersions(t *testing.T) {
	for _, version := range []string{"1.41", "1.44", "1.52"} {
		t.Run(version, func(t *testing.T) {
			s := startScript(t, version)
			events := s.load(t, version)
			c := quick(s)
			c.Node = ""
			rarely(&c)
			o := observe(t, c, nil)
			o.ready(t)
			eventually(t, "a stream of events", s.listening)
			checkRecorded(t, o)
			if n := len(o.Refusals()); n != 0 {
				t.Errorf("%d refusals: %+v", n, o.Refusals())
			}
			// The events that were recorded: started, paused, stopped, started, killed.
			for _, e := range events {
				s.emit(e)
			}
			o.until(t, "what the kill left", func(o *observer) bool {
				i := o.services["shop.example.com-80"].Instances[0]
				return i.Health == discovery.Maintenance && strings.Contains(i.HealthNote, "signal 9")
			})
			s.remove(box{id: recordedShop})
			s.act(recordedShop, "destroy")
			o.until(t, "its end", func(o *observer) bool { return o.services["shop.example.com-80"] == nil })
		})
	}
}

func checkRecorded(t *testing.T, o *observer) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	web := o.instance("shop.example.com-80")
	dns := o.instance("shop.example.com-53")
	task := o.instance("shop.example.com")
	if len(o.services) != 3 || web == nil || dns == nil || task == nil {
		t.Fatalf("services:\n%s", show(o.services))
	}
	if web.ID != "live/host-of-the-engine/host-of-the-engine:shop-1:80" || web.HostPort() != "192.0.2.1:32768" || web.Health != discovery.Passing ||
		web.Meta["check_http"] != "/health" || web.Meta[discovery.MetaContainer] != recordedShop || strings.Join(web.Tags, "|") != "a|b,c" {
		t.Errorf("web: %+v", web)
	}
	if dns.ServiceID != "host-of-the-engine:shop-1:53:udp" || dns.Port != 53 || strings.Join(dns.Tags, "|") != "a|b,c|udp" {
		t.Errorf("dns: %+v", dns)
	}
	// The task's port is published in host mode; the service named web is published by Swarm's ingress, which is nothing of this host's.
	if task.Port != 8088 || task.Meta[discovery.MetaSwarmService] != "shop" || task.Meta[discovery.MetaSwarmTask] != "l16gvfnqkk1ixsi6fc35qxqnx" {
		t.Errorf("task: %+v", task)
	}
}

// An engine without events or networks, as behind a proxy that lets only some requests through, still serves.
func TestOnlyContainersMayBeAsked(t *testing.T) {
	s := startScript(t, "1.44")
	s.run(shop(1))
	s.fault("events", broken)
	s.fault("networks", broken)
	o := observe(t, quick(s), nil)
	o.ready(t)
	s.run(shop(2))
	o.until(t, "another container", func(o *observer) bool { return o.passing(shopName, 2) })
}

func TestAnotherProgramAnswers(t *testing.T) {
	s := startScript(t, "")
	o := observe(t, quick(s), nil)
	o.until(t, "the doubt", func(o *observer) bool {
		return len(o.status.Doubts) == 1 && strings.Contains(o.status.Doubts[0].Reason, "is this a Docker engine?")
	})
}
