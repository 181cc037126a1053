package static

import (
	"reflect"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

const good = `{"services": {
	"shop.example.com": [
		{"id": "shop-2", "node": "web1", "address": "192.0.2.1", "port": 32768, "tags": ["master"],
		 "meta": {"priority": "10"}, "health": "warning", "weight": 7},
		{"address": "2001:db8::1", "port": 80}
	],
	"retired.example.com": []
}}`

func TestParse(t *testing.T) {
	got, err := parse("live", "facts.json", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*discovery.Service{
		"shop.example.com": {Name: "shop.example.com", Instances: []discovery.Instance{
			{ID: "live/static/shop.example.com-2001:db8::1-80", Cluster: "live", Node: "static", Service: "shop.example.com",
				ServiceID: "shop.example.com-2001:db8::1-80", Address: "2001:db8::1", Port: 80},
			{ID: "live/web1/shop-2", Cluster: "live", Node: "web1", Service: "shop.example.com", ServiceID: "shop-2",
				Address: "192.0.2.1", Port: 32768, Tags: []string{"master"}, Meta: map[string]string{"priority": "10"},
				Weights: discovery.Weights{Passing: 7, Warning: 7}, Health: discovery.Warning},
		}},
		"retired.example.com": {Name: "retired.example.com"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got["shop.example.com"], want["shop.example.com"])
	}
}

func TestParseErrors(t *testing.T) {
	one := func(instance string) string { return "{\"services\": {\n\"shop\": [\n" + instance + "\n]}}" }
	for _, test := range []struct{ name, text, want string }{
		{"empty", ``, `facts.json:1: the file ends too early`},
		{"cut short", `{"services": {"shop": [`, `facts.json:1: service shop: the file ends too early`},
		{"no services", `{}`, `facts.json:1: the field "services" is missing`},
		{"list", `[]`, `facts.json:1: expected "{", found [`},
		{"services is null", `{"services": null}`, `facts.json:1: expected "{", found <nil>`},
		{"unknown top field", "{\n\"service\": {}}", `facts.json:2: unknown field "service", only "services" is known here`},
		{"trailing text", "{\"services\": {}}\n{}", `facts.json:2: something follows the end of the object`},
		{"service twice", `{"services": {"a": [], "a": []}}`, `facts.json:1: "a" is given twice`},
		{"no name", `{"services": {"": []}}`, `facts.json:1: service "": the name is empty`},
		{"name with space", `{"services": {"a b": []}}`, `facts.json:1: service "a b": the name has spaces or control characters in it`},
		{"unknown field", one(`{"adress": "192.0.2.1"}`), `facts.json:3: service shop: instance 1: unknown field "adress"`},
		{"field twice", one(`{"port": 1, "port": 2}`), `facts.json:3: service shop: instance 1: "port" is given twice`},
		{"wrong type", one(`{"port": "80"}`), `facts.json:3: service shop: instance 1: field port: string where a value of type int belongs`},
		{"no address", one(`{"port": 80}`), `facts.json:3: service shop: instance 1: field address: it is empty`},
		{"address with port", one(`{"address": "192.0.2.1:80", "port": 80}`), `field address: "192.0.2.1:80" is neither an IP address`},
		{"brackets", one(`{"address": "[::1]", "port": 80}`), `field address: "[::1]" is neither an IP address`},
		{"no port", one(`{"address": "192.0.2.1"}`), `field port: 0 is not a port from 1 to 65535`},
		{"port too high", one(`{"address": "192.0.2.1", "port": 65536}`), `field port: 65536 is not a port`},
		{"port no integer", one(`{"address": "192.0.2.1", "port": 80.5}`), `field port: number 80.5 where a value of type int belongs`},
		{"health", one(`{"address": "192.0.2.1", "port": 1, "health": "fine"}`), `field health: "fine" is none of passing, warning, critical and maintenance`},
		{"weight", one(`{"address": "192.0.2.1", "port": 1, "weight": -1}`), `field weight: -1 is not a weight from 0 to 65535`},
		{"same id", one(`{"address": "192.0.2.1", "port": 1, "id": "a"}, {"address": "192.0.2.2", "port": 2, "id": "a"}`),
			`instance 2: id "a" on node "static" is taken by an instance of shop`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse("live", "facts.json", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// A file that is still being written must not pass for a smaller one.
func TestParseCutAnywhere(t *testing.T) {
	for n := range len(good) {
		if _, err := parse("live", "facts.json", []byte(good[:n])); err == nil {
			t.Errorf("%d of %d bytes were taken for a whole file", n, len(good))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"services": {"a": [{"address": "a", "port": 1}]}}`))
	f.Add([]byte(`{"services": {"a": [{"address": "::1%eth0", "port": 1, "weight": 0}, {"id": "/", "meta": null}]}} `))
	f.Fuzz(func(t *testing.T, text []byte) {
		services, err := parse("live", "facts.json", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "facts.json:") {
				t.Errorf("error without place: %v", err)
			}
			return
		}
		ids := map[string]bool{}
		for name, s := range services {
			for i, instance := range s.Instances {
				if instance.Service != name || s.Name != name || instance.Address == "" || instance.Port == 0 || instance.Weights.Passing < 0 {
					t.Errorf("service %s: impossible instance %+v", name, instance)
				}
				if i > 0 && s.Instances[i-1].ID >= instance.ID || ids[instance.ID] {
					t.Errorf("service %s: IDs out of order or twice: %s", name, instance.ID)
				}
				ids[instance.ID] = true
			}
		}
	})
}
