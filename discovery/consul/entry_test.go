package consul

import (
	"encoding/json"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

// recorded is an answer of Consul 1.19.2 for a service with one instance, shortened by what is not read.
const recorded = `[{"Node":{"ID":"f0","Node":"web1","Address":"192.0.2.10","Datacenter":"dc1"},
 "Service":{"ID":"shop-1","Service":"shop.example.com","Tags":["master"],"Address":"","Meta":{"domain":"a.example.com"},"Port":32768,
  "Weights":{"Passing":7,"Warning":2},"EnableTagOverride":false,"Proxy":{"Mode":""},"Connect":{},"CreateIndex":31,"ModifyIndex":33},
 "Checks":[{"Node":"web1","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Definition":{"Interval":"0s"}},
  {"Node":"web1","CheckID":"service:shop-1","Name":"it answers","Status":"warning","ServiceID":"shop-1","ServiceName":"shop.example.com"}]}]`

func decoded(t *testing.T, text string) (reading, error) {
	t.Helper()
	var entries []entry
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		t.Fatal(err)
	}
	return decode("live", "shop.example.com", 40, entries)
}

func TestDecodeRecordedAnswer(t *testing.T) {
	got, err := decoded(t, recorded)
	if err != nil {
		t.Fatal(err)
	}
	want := discovery.Instance{
		ID: "live/web1/shop-1", Cluster: "live", Node: "web1", Service: "shop.example.com", ServiceID: "shop-1",
		Address: "192.0.2.10", Port: 32768, Tags: []string{"master"}, Meta: map[string]string{"domain": "a.example.com"},
		Weights: discovery.Weights{Passing: 7, Warning: 2}, Health: discovery.Warning, HealthNote: "it answers is warning", CreateIndex: 31,
	}
	if len(got.service.Instances) != 1 || !got.service.Instances[0].Equal(&want) {
		t.Errorf("decoded %+v, want %+v", got.service.Instances, want)
	}
	if got.service.Index != 40 || len(got.registrations) != 1 || got.registrations[0] != (registration{"web1", "shop-1", 33}) {
		t.Errorf("index %d, registrations %v", got.service.Index, got.registrations)
	}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, text string
		address    string // of the only instance; "" for none
		port       uint16
		wrong      bool
	}{
		{"empty", `[]`, "", 0, false},
		{"own address wins", `[{"Node":{"Node":"n","Address":"192.0.2.1"},"Service":{"ID":"a","Address":"192.0.2.2","Port":80}}]`, "192.0.2.2", 80, false},
		{"IPv6 in brackets", `[{"Node":{"Node":"n"},"Service":{"ID":"a","Address":"[2001:db8::1]","Port":80}}]`, "2001:db8::1", 80, false},
		{"IPv6 of the node", `[{"Node":{"Node":"n","Address":"2001:db8::2"},"Service":{"ID":"a","Port":80}}]`, "2001:db8::2", 80, false},
		{"no port", `[{"Node":{"Node":"n","Address":"h"},"Service":{"ID":"a"}}]`, "h", 0, false},
		{"port too large", `[{"Node":{"Node":"n","Address":"h"},"Service":{"ID":"a","Port":65536}}]`, "h", 0, false},
		{"negative port", `[{"Node":{"Node":"n","Address":"h"},"Service":{"ID":"a","Port":-1}}]`, "h", 0, false},
		{"connect proxy", `[{"Node":{"Node":"n","Address":"h"},"Service":{"ID":"a","Kind":"connect-proxy","Port":1}}]`, "", 0, false},
		{"no node", `[{"Service":{"ID":"a"}}]`, "", 0, true},
		{"no service", `[{"Node":{"Node":"n","Address":"h"}}]`, "", 0, true},
		{"no service ID", `[{"Node":{"Node":"n","Address":"h"},"Service":{}}]`, "", 0, true},
		{"no address at all", `[{"Node":{"Node":"n"},"Service":{"ID":"a"}}]`, "", 0, true},
		{"null entry", `[null]`, "", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := decoded(t, c.text)
			if (err != nil) != c.wrong {
				t.Fatalf("error %v", err)
			}
			if c.wrong {
				return
			}
			if n := len(got.service.Instances); n != 0 && c.address == "" || n != 1 && c.address != "" {
				t.Fatalf("instances %+v", got.service.Instances)
			}
			if c.address != "" {
				if i := got.service.Instances[0]; i.Address != c.address || i.Port != c.port {
					t.Errorf("at %s port %d, want %s port %d", i.Address, i.Port, c.address, c.port)
				}
			}
		})
	}
}

func TestWorst(t *testing.T) {
	serf := check{CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing"}
	dead := check{CheckID: "serfHealth", Name: "Serf Health Status", Status: "critical"}
	own := func(status string) check { return check{CheckID: "service:a", Name: "it answers", Status: status} }
	for _, c := range []struct {
		name   string
		checks []check
		want   discovery.Health
		note   string
	}{
		{"no checks", nil, discovery.Passing, ""},
		{"all pass", []check{serf, own("passing")}, discovery.Passing, ""},
		{"warning", []check{serf, own("warning")}, discovery.Warning, "it answers is warning"},
		{"critical beats warning", []check{own("warning"), dead}, discovery.Critical, "Serf Health Status is critical"},
		{"the first by ID is named", []check{own("critical"), dead}, discovery.Critical, "Serf Health Status is critical"},
		{"unknown state", []check{own("glorious")}, discovery.Critical, "it answers is glorious"},
		{"node maintenance", []check{dead, {CheckID: "_node_maintenance", Status: "critical", Notes: "power"}}, discovery.Maintenance, "node in maintenance: power"},
		{"service maintenance", []check{{CheckID: "_service_maintenance:a", Status: "critical"}}, discovery.Maintenance, "service in maintenance"},
		{"a check without a name", []check{{CheckID: "c", Status: "critical"}}, discovery.Critical, "c is critical"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if health, note := worst(c.checks); health != c.want || note != c.note {
				t.Errorf("%s, %q; want %s, %q", health, note, c.want, c.note)
			}
		})
	}
}

// FuzzDecode: whatever an answer holds, each instance decoded from it can be told apart and has an address.
func FuzzDecode(f *testing.F) {
	f.Add(recorded)
	f.Add(`[null]`)
	f.Add(`[{"Node":{"Node":"n","Address":"[::1]"},"Service":{"ID":"a","Port":99999},"Checks":[{"CheckID":"_node_maintenance"}]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		var entries []entry
		if json.Unmarshal([]byte(text), &entries) != nil {
			return
		}
		got, err := decode("live", "shop", 1, entries)
		if err != nil {
			return
		}
		for i := range got.service.Instances {
			one := &got.service.Instances[i]
			if one.ServiceID == "" || one.Node == "" || one.Address == "" {
				t.Fatalf("decoded %+v", one)
			}
			if i > 0 && got.service.Instances[i-1].ID > one.ID {
				t.Fatal("not in the order of their IDs")
			}
		}
	})
}
