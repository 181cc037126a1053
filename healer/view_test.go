package healer

import (
	"maps"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

// registry is made of lines: service, node, service ID, health, note, and Meta as k=v.
func registry(t *testing.T, lines ...string) *discovery.Facts {
	t.Helper()
	f := &discovery.Facts{Cluster: "live", Ready: true, Services: map[string]*discovery.Service{}, Sources: []discovery.SourceStatus{{Name: "s", Ready: true}}}
	for _, line := range lines {
		words := strings.Split(line, "|")
		i := discovery.Instance{ID: discovery.InstanceID("live", words[1], words[2]), Cluster: "live", Service: words[0], Node: words[1], ServiceID: words[2], Meta: map[string]string{}}
		if err := i.Health.UnmarshalText([]byte(words[3])); err != nil {
			t.Fatal(err)
		}
		for _, word := range words[4:] {
			if k, v, ok := strings.Cut(word, "="); ok {
				i.Meta[k] = v
			} else {
				i.HealthNote = word
			}
		}
		s := f.Services[i.Service]
		if s == nil {
			s = &discovery.Service{Name: i.Service}
			f.Services[i.Service] = s
		}
		s.Instances = append(s.Instances, i)
	}
	return f
}

func TestLook(t *testing.T) {
	for _, c := range []struct {
		name      string
		facts     []string
		change    func(*discovery.Facts)
		present   int
		instances int
		doubt     string
		lost      string
	}{
		{name: "nobody is registered", facts: []string{"other|n1|o|passing"}},
		{name: "by its name", facts: []string{"Shop.example.com|n1|a|passing", "Shop.example.com|n2|b|warning", "Shop.example.com|n2|c|critical", "Shop.example.com|n2|d|maintenance"},
			present: 2, instances: 4},
		{name: "by its Meta", facts: []string{"shop|n1|a|passing|domain=x.example.com, Shop.example.com.", "shop|n2|b|passing"}, present: 2, instances: 2},
		{name: "by more Meta", facts: []string{"shop|n1|a|passing|domain_2=shop.example.com", "shop|n2|b|passing|domains=y"}, present: 2, instances: 2},
		{name: "no such Meta", facts: []string{"shop|n1|a|passing|domain_1=shop.example.com", "shop|n1|b|passing|xdomain=shop.example.com"}},
		{name: "the one named so beats the one that claims it", facts: []string{"a|n1|a|passing|domain=shop.example.com", "shop.example.com|n1|b|critical"}, instances: 1},
		{name: "the first of two that claim it", facts: []string{"b|n1|b|passing|domain=shop.example.com", "a|n1|a|critical|domain=shop.example.com"}, instances: 1},
		{name: "a lost node", facts: []string{"shop.example.com|n1|a|passing", "shop.example.com|n2|b|critical|Serf Health Status is critical", "other|n2|o|critical|x is critical"},
			present: 1, instances: 2, lost: "n2"},
		{name: "a node that only looks lost", facts: []string{"shop.example.com|n2|b|critical|Serf Health Status is critical", "other|n2|o|passing"}, instances: 1},
		{name: "not ready", change: func(f *discovery.Facts) { f.Ready = false }, doubt: "nothing is known of cluster live yet"},
		{name: "a source in doubt", change: func(f *discovery.Facts) {
			f.Sources[0].Doubts = []discovery.Doubt{{Kind: discovery.SourceDoubt, Reason: "no leader"}}
		}, doubt: "s: no leader"},
		{name: "a source that has not answered", change: func(f *discovery.Facts) { f.Sources[0].Ready = false }, doubt: "in doubt"},
		{name: "a mass", change: func(f *discovery.Facts) {
			f.Doubts = []discovery.Doubt{{Kind: discovery.MassDoubt, Reason: "3 vanished"}}
		}, doubt: "3 vanished"},
		{name: "doubt of another service", change: func(f *discovery.Facts) {
			f.Sources[0].Doubts = []discovery.Doubt{{Kind: discovery.ShrinkDoubt, Service: "other", Reason: "gone?"}}
		}},
		{name: "doubt of the service", facts: []string{"shop|n1|a|passing|domain=shop.example.com"}, change: func(f *discovery.Facts) {
			f.Sources[0].Doubts = []discovery.Doubt{{Kind: discovery.ShrinkDoubt, Service: "shop", Reason: "gone?"}}
		}, present: 1, instances: 1, doubt: "s: gone?"},
		{name: "doubt of a service that is not registered", change: func(f *discovery.Facts) {
			f.Sources[0].Doubts = []discovery.Doubt{{Kind: discovery.ShrinkDoubt, Service: "Shop.example.com", Reason: "gone?"}}
		}, doubt: "s: gone?"},
		{name: "held", facts: []string{"shop.example.com|n1|a|passing"}, change: func(f *discovery.Facts) {
			f.Services["shop.example.com"].Instances[0].Held = "restored"
		}, present: 1, instances: 1, doubt: "a is not vouched for by its source: restored"},
	} {
		t.Run(c.name, func(t *testing.T) {
			facts := registry(t, c.facts...)
			if c.change != nil {
				c.change(facts)
			}
			s := Look(facts, []*Service{{Domain: "shop.example.com", Cluster: "live", Count: 2}}).Sights["shop.example.com"]
			if s.Present != c.present || len(s.Instances) != c.instances || !strings.Contains(s.Doubt, c.doubt) || (s.Doubt == "") != (c.doubt == "") || strings.Join(s.Lost, " ") != c.lost {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestIsOf(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	c := &Copy{ID: id, Name: "shop.1.x"}
	for _, test := range []struct {
		name, serviceID string
		meta            map[string]string
		want            bool
	}{
		{"the container in Meta", "x", map[string]string{discovery.MetaContainer: id}, true},
		{"another container in Meta", "n1:shop.1.x:80", map[string]string{discovery.MetaContainer: "f" + id}, false},
		{"the task in Meta", "x", map[string]string{discovery.MetaContainer: "f" + id, discovery.MetaSwarmTask: id}, true},
		{"the ID in the service ID", "shop-0123456789ab-80", nil, true},
		{"the name in the service ID", "n1:shop.1.x:80", nil, true},
		{"a part of the name only", "n1:shop.1.xy:80", nil, false},
		{"somebody else's", "shop-1", map[string]string{"domain": "shop.example.com"}, false},
	} {
		i := &discovery.Instance{ServiceID: test.serviceID, Meta: maps.Clone(test.meta)}
		if got := isOf(i, c); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
	if isOf(&discovery.Instance{ServiceID: "::"}, &Copy{}) {
		t.Error("a copy without ID and name is everybody's")
	}
}
