package healer

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/discovery"
)

// The page for operators names every gate, in the order in which they are asked, and every event.
func TestPageNamesEveryGate(t *testing.T) {
	text, err := os.ReadFile("../docs/healing.md")
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, g := range gates {
		at := strings.Index(string(text), fmt.Sprintf("\n| `%s` |", g.name))
		if at < last {
			t.Errorf("gate %s is at %d, after one at %d", g.name, at, last)
		}
		last = at
	}
	for _, event := range []Event{TooMany, TooFew, Healed, GaveUp, Doubted, Frozen} {
		if !strings.Contains(string(text), fmt.Sprintf("\n| `%s` |", event)) {
			t.Errorf("event %s is not described", event)
		}
	}
}

// A round over a cluster in which nothing is wrong.
func BenchmarkSteadyRound(b *testing.B) {
	facts := &discovery.Facts{Cluster: "live", Ready: true, Services: map[string]*discovery.Service{}}
	in := &Input{Cluster: "live", Leading: true, Book: &Book{}}
	for n := range 500 {
		domain := fmt.Sprintf("s%d.example.com", n)
		s := &discovery.Service{Name: domain}
		for k := range 3 {
			id := fmt.Sprint(domain, k)
			s.Instances = append(s.Instances, discovery.Instance{ID: "live/n/" + id, Node: fmt.Sprint("n", k), Service: domain, ServiceID: id,
				Meta: map[string]string{discovery.MetaContainer: id}})
		}
		facts.Services[domain] = s
		in.Services = append(in.Services, &Service{Domain: domain, Cluster: "live", Count: 3, Run: Run{Swarm: domain}})
	}
	b.ReportAllocs()
	for b.Loop() {
		in.View = Look(facts, in.Services)
		if r := Plan(epoch, in); len(r.Claims) > 0 {
			b.Fatal("something was planned")
		}
	}
}
