package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/healer"
)

// fakeHealing is what is healed behind a fake edge; its zero value is nothing.
type fakeHealing struct {
	shown   *Healing
	healers []*fakeHealer
}

func (f *fakeHealing) steered() (all []steered) {
	for _, h := range f.healers {
		all = append(all, h)
	}
	return all
}

// fakeHealer heals nothing, and keeps its journal in memory.
type fakeHealer struct {
	status   healer.Status
	audit    []healer.AuditEntry
	pauses   []healer.Pause
	forgiven []string
	drained  []healer.Drain
	err      error // of every access to the journal
}

func (f *fakeHealer) Status() healer.Status      { return f.status }
func (f *fakeHealer) Audit() []healer.AuditEntry { return f.audit }

func (f *fakeHealer) Pauses(context.Context) ([]healer.Pause, error) { return f.pauses, f.err }

func (f *fakeHealer) Pause(_ context.Context, p healer.Pause) error {
	if f.err == nil {
		p.Created = now
		f.pauses = append(f.pauses, p)
	}
	return f.err
}

func (f *fakeHealer) Resume(_ context.Context, scope healer.Scope, name string) error {
	for i, p := range f.pauses {
		if f.err == nil && p.Scope == scope && strings.EqualFold(p.Name, name) {
			f.pauses = append(f.pauses[:i], f.pauses[i+1:]...)
			break
		}
	}
	return f.err
}

func (f *fakeHealer) Forgive(_ context.Context, domain string) error {
	if f.err == nil {
		f.forgiven = append(f.forgiven, domain)
	}
	return f.err
}

func (f *fakeHealer) DrainHost(_ context.Context, d healer.Drain) error {
	if d.Host != "web2" && d.Host != "web3" {
		return fmt.Errorf("%w: %q; there are web1, web2, web3", healer.ErrUnknownHost, d.Host)
	}
	f.drained = append(f.drained, d)
	return f.err
}

func (f *fakeHealer) UndrainHost(_ context.Context, host string) error {
	if !slices.ContainsFunc(f.status.Drains, func(d healer.DrainStatus) bool { return d.Host == host }) {
		return fmt.Errorf("%w: %s", healer.ErrNoDrain, host)
	}
	return f.err
}

// wishes are a desired file that does not change.
type wishes struct {
	desired *healer.Desired
	problem string
}

func (w wishes) Current() (*healer.Desired, string) { return w.desired, w.problem }
func (w wishes) Changed() <-chan struct{}           { return nil }

const desiredFile = `{"services": [
	{"domain": "shop.example.com", "count": 3, "run": {"swarm": "shop"}},
	{"domain": "db.example.com", "count": 2, "run": {"image": "db:1.4", "port": 6379}},
	{"domain": "shop.example.com", "cluster": "test", "count": 2, "run": {"swarm": "shop-test"}}
]}`

// newFakeHealing returns healers of the fake edge's two clusters, and a registrar.
func newFakeHealing(t *testing.T) *fakeHealing {
	t.Helper()
	desired, err := healer.Parse("desired.json", []byte(desiredFile), []string{"live", "test"})
	if err != nil {
		t.Fatal(err)
	}
	return &fakeHealing{
		shown:   &Healing{Desired: wishes{desired: desired}, Registrars: func() []registrar.Status { return []registrar.Status{registered()} }},
		healers: []*fakeHealer{liveHealer(desired.Version), testHealer(desired.Version)},
	}
}

func liveHealer(desired string) *fakeHealer {
	const why = "2 of 3 present, and Swarm keeps 2 up"
	pause := healer.Pause{Scope: healer.PauseHost, Name: "web2", Author: "kim", Reason: "new disk", Created: now.Add(-time.Hour), Expires: now.Add(time.Hour)}
	over := healer.Pause{Scope: healer.PauseAll, Author: "kim", Reason: "move", Created: now.Add(-3 * time.Hour), Expires: now.Add(-time.Hour)}
	return &fakeHealer{
		pauses: []healer.Pause{pause, over},
		status: healer.Status{
			Cluster: "live", At: now.Add(-2 * time.Second), Leading: true, LeadingSince: now.Add(-time.Hour), Desired: desired, Pauses: []healer.Pause{pause},
			Drains: []healer.DrainStatus{{
				Drain: healer.Drain{Host: "web3", Author: "kim", Reason: "new kernel", Created: now.Add(-time.Minute), Held: now.Add(-59 * time.Second), Closed: true},
				State: healer.DrainEmptying, Copies: 2, Waits: "shop.example.com: moving copy 4167b290ec36 away from web3",
			}},
			Services: []healer.ServiceStatus{
				{Service: "db.example.com", Cluster: "live", State: healer.Passing, Present: 2, Count: 2},
				{
					Service: "shop.example.com", Cluster: "live", State: healer.Critical, Present: 2, Count: 3,
					Wanted: "raise replicas to 3: " + why, Gate: healer.GateHoldDown, Refusal: "not so for 1m0s yet",
				},
			},
			Totals: healer.Totals{Rounds: 720, Planned: map[healer.Kind]int{healer.Scale: 1}, Verified: 1},
		},
		audit: []healer.AuditEntry{
			{At: now.Add(-20 * time.Minute), Cluster: "live", Service: "shop.example.com", What: "plan: raising replicas to 3", Reason: why},
			{At: now.Add(-19 * time.Minute), Cluster: "live", Service: "shop.example.com", What: "verified: raising replicas to 3", Reason: "3 of 3 present"},
			{At: now.Add(-30 * time.Second), Cluster: "live", Service: "shop.example.com", What: "is critical", Reason: "hold-down: not so for 1m0s yet"},
		},
	}
}

func testHealer(desired string) *fakeHealer {
	const doubt = "consul 127.0.0.1:8501: the list of names: Consul knows no leader at the moment"
	return &fakeHealer{
		status: healer.Status{
			Cluster: "test", At: now.Add(-time.Second), Desired: desired, Doubt: doubt,
			Services: []healer.ServiceStatus{{
				Service: "shop.example.com", Cluster: "test", State: healer.Unknown, Present: 1, Count: 2, Reason: doubt,
				Gate: healer.GateLeading, Refusal: "another healer acts, or nobody can tell who does",
			}},
			Totals: healer.Totals{Rounds: 700},
		},
		audit: []healer.AuditEntry{{At: now.Add(-time.Minute), Cluster: "test", Service: "shop.example.com", What: "is unknown", Reason: doubt}},
	}
}

func registered() registrar.Status {
	return registrar.Status{
		Owner: "fairlead", NodeID: "8a2ad2b2-6b3f-4d6b-9b29-0b1f6e3f9a11",
		Source: registrar.SourceStatus{
			Name: "docker unix:///var/run/docker.sock", Up: true,
			Refused: []string{"container web, service shop, port 80/tcp: it is not published"},
		},
		Agent:  registrar.AgentStatus{Address: "127.0.0.1:8500", Node: "web1", Up: true, Leader: true, LastAnswer: now.Add(-12 * time.Second)},
		Counts: registrar.Counts{Desired: 5, Agreeing: 4, Pending: 1},
		Writes: registrar.Writes{Registered: 9, Deregistered: 4, Failed: 2},
		Items: []registrar.Item{{
			ServiceID: "web1:shop.2:80", Service: "shop", Error: "interval \"often\" of its check: want a duration", Attempts: 2,
			Since: now.Add(-time.Minute), Next: now.Add(4 * time.Second),
		}},
	}
}
