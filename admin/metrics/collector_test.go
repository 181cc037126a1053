package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fairlead/fairlead/admin/agent"
	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy"
	"github.com/fairlead/fairlead/proxy/pool"
)

type fakeEdge struct {
	table *pool.Table
	facts map[string]*discovery.Facts
}

func (f *fakeEdge) Table() *pool.Table                    { return f.table }
func (f *fakeEdge) Facts(cluster string) *discovery.Facts { return f.facts[cluster] }
func (f *fakeEdge) Refusals() map[string]uint64 {
	return map[string]uint64{"no_domain": 4, "denied": 2}
}

func (f *fakeEdge) Lane() proxy.LaneCounts {
	return proxy.LaneCounts{Served: 90, HandedOver: 8, Turned: map[string]uint64{"head_timeout": 3}}
}

// newPool returns a pool of a master and a slave.
func newPool(name, service string) *pool.Pool {
	p := &pool.Pool{Name: name, Cluster: "live", Service: service, Spec: pool.DefaultSpec(), Meter: new(pool.PoolMeter)}
	for i, priority := range []int{10, 9} {
		id := discovery.InstanceID("live", fmt.Sprintf("web%d", i+1), service)
		m := &pool.Member{Instance: &discovery.Instance{ID: id}, Priority: priority, State: pool.Active, Meter: new(pool.Meter)}
		p.Members = append(p.Members, m)
		p.Groups = append(p.Groups, &pool.Group{Priority: priority, Members: []*pool.Member{m}, Up: 1})
	}
	return p
}

// newEdge returns an edge with one service that has two domains.
func newEdge() *fakeEdge {
	first := newPool("shop.example.com", "shop")
	second := *first
	second.Name, second.Meter, second.Joined = "www.example.com", new(pool.PoolMeter), -1
	first.Meter.Requests.Store(12)
	first.Meter.Retries.Store(1)
	first.Members[0].Meter.Requests.Store(20)
	first.Members[0].Meter.Failures.Store(3)
	first.Members[0].Meter.InFlight.Store(2)
	first.Members[1].State = pool.Draining
	table := pool.NewTable()
	table.Store(&pool.Snapshot{Version: 7, Clusters: []*pool.Cluster{{
		Name: "live", Ready: true,
		Exact:    map[string]*pool.Pool{first.Name: first, second.Name: &second},
		Services: map[string]*pool.Pool{"shop": first},
		Refused:  []pool.Refusal{{Domain: "a.example.com"}},
	}}})
	return &fakeEdge{table, map[string]*discovery.Facts{"live": {
		Cluster: "live", Version: 41, Ready: true,
		Services: map[string]*discovery.Service{"shop": {Instances: []discovery.Instance{{}, {Held: "restored"}}}},
		Sources: []discovery.SourceStatus{{
			Name: "consul 127.0.0.1:8500", Ready: true, Index: 9001, Watches: 5, LastAnswer: time.UnixMilli(1_700_000_000_500),
			Doubts:  []discovery.Doubt{{Kind: discovery.SourceDoubt}},
			Refused: []string{"container shop-3: it names no port", "container shop-4: it names no port"},
		}},
	}}}
}

// fakeHealing is a cluster that is healed, and a registrar that is configured twice.
type fakeHealing struct{}

func (fakeHealing) Statuses() []healer.Status {
	return []healer.Status{{
		Cluster: "live", At: time.UnixMilli(1_700_000_000_500), Leading: true, Frozen: "2 of 3 nodes are lost", Pauses: []healer.Pause{{}}, Drains: []healer.DrainStatus{{}},
		Services: []healer.ServiceStatus{
			{Service: "shop.example.com", State: healer.Critical, Present: 2, Count: 3, Quarantine: []string{"scale"}},
			{Service: "db.example.com", State: healer.Unknown, Count: 2},
		},
		Totals: healer.Totals{Rounds: 9, Planned: map[healer.Kind]int{healer.Scale: 4}, Verified: 2, Failed: 1, Fenced: 1, GaveUp: 1},
	}}
}

func (fakeHealing) DoorStatuses() map[string]agent.Status {
	return map[string]agent.Status{"web1": {Viewers: 2, Records: 40, Dropped: 3, Turned: 1, Denied: 5}}
}

func (fakeHealing) Registrations() []registrar.Status {
	one := registrar.Status{
		Owner: "fairlead", Source: registrar.SourceStatus{Name: "docker unix:///var/run/docker.sock", Up: true},
		Agent:  registrar.AgentStatus{Address: "127.0.0.1:8500", Up: true},
		Counts: registrar.Counts{Desired: 5, Agreeing: 3, Pending: 2},
		Writes: registrar.Writes{Registered: 7, Deregistered: 4, Drained: 2, Resumed: 1, Failed: 6},
		Items:  []registrar.Item{{ServiceID: "a", Error: "refused"}, {ServiceID: "b", Note: "a check is left out"}},
	}
	return []registrar.Status{one, one}
}

// scrape returns what Prometheus would get, from a registry that checks all it can.
func scrape(t testing.TB, edge Edge) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(New(edge, fakeHealing{})); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("scraping: %d %v %s", w.Code, err, body)
	}
	return string(body)
}

func TestScrape(t *testing.T) {
	got := scrape(t, newEdge())
	for _, line := range []string{
		`fairlead_snapshot_version 7`,
		`fairlead_refusals_total{code="no_domain"} 4`,
		`fairlead_lane_requests_total 90`,
		`fairlead_lane_handed_over_total 8`,
		`fairlead_lane_turned_total{reason="head_timeout"} 3`,
		`fairlead_cluster_ready{cluster="live"} 1`,
		`fairlead_cluster_refused_claims{cluster="live"} 1`,
		`fairlead_cluster_facts_version{cluster="live"} 41`,
		`fairlead_cluster_services{cluster="live"} 1`,
		`fairlead_cluster_instances{cluster="live"} 2`,
		`fairlead_cluster_held_instances{cluster="live"} 1`,
		`fairlead_cluster_doubts{cluster="live",kind="source"} 1`,
		`fairlead_cluster_doubts{cluster="live",kind="mass"} 0`,
		`fairlead_source_ready{cluster="live",source="consul 127.0.0.1:8500"} 1`,
		`fairlead_source_index{cluster="live",source="consul 127.0.0.1:8500"} 9001`,
		`fairlead_source_watches{cluster="live",source="consul 127.0.0.1:8500"} 5`,
		`fairlead_source_refused{cluster="live",source="consul 127.0.0.1:8500"} 2`,
		`fairlead_source_last_answer_timestamp_seconds{cluster="live",source="consul 127.0.0.1:8500"} 1.7000000005e+09`,
		`fairlead_pool_requests_total{cluster="live",pool="shop.example.com"} 12`,
		`fairlead_pool_requests_total{cluster="live",pool="www.example.com"} 0`,
		`fairlead_pool_retries_total{cluster="live",pool="shop.example.com"} 1`,
		`fairlead_pool_joined_priority{cluster="live",pool="shop.example.com"} 10`,
		`fairlead_pool_members{cluster="live",pool="shop.example.com",priority="9"} 1`,
		`fairlead_pool_members_up{cluster="live",pool="shop.example.com",priority="10"} 1`,
		`fairlead_member_state{cluster="live",instance="live/web1/shop",service="shop"} 1`,
		`fairlead_member_state{cluster="live",instance="live/web2/shop",service="shop"} 2`,
		`fairlead_member_requests_total{cluster="live",instance="live/web1/shop",service="shop"} 20`,
		`fairlead_member_failures_total{cluster="live",instance="live/web1/shop",service="shop"} 3`,
		`fairlead_member_in_flight_requests{cluster="live",instance="live/web1/shop",service="shop"} 2`,
		`fairlead_agent_viewers{host="web1"} 2`,
		`fairlead_agent_records_total{host="web1"} 40`,
		`fairlead_agent_records_dropped_total{host="web1"} 3`,
		`fairlead_agent_turned_away_total{host="web1"} 1`,
		`fairlead_agent_denied_total{host="web1"} 5`,
		`fairlead_healer_leading{cluster="live"} 1`,
		`fairlead_healer_doubt{cluster="live"} 0`,
		`fairlead_healer_blind{cluster="live"} 0`,
		`fairlead_healer_frozen{cluster="live"} 1`,
		`fairlead_healer_desired_problem{cluster="live"} 0`,
		`fairlead_healer_pauses{cluster="live"} 1`,
		`fairlead_healer_drains{cluster="live"} 1`,
		`fairlead_healer_rounds_total{cluster="live"} 9`,
		`fairlead_healer_last_round_timestamp_seconds{cluster="live"} 1.7000000005e+09`,
		`fairlead_healer_repairs_total{cluster="live",kind="scale"} 4`,
		`fairlead_healer_repairs_total{cluster="live",kind="stop"} 0`,
		`fairlead_healer_results_total{cluster="live",result="verified"} 2`,
		`fairlead_healer_results_total{cluster="live",result="gave_up"} 1`,
		`fairlead_healer_state{cluster="live",service="shop.example.com"} 2`,
		`fairlead_healer_state{cluster="live",service="db.example.com"} 3`,
		`fairlead_healer_present{cluster="live",service="shop.example.com"} 2`,
		`fairlead_healer_wanted{cluster="live",service="shop.example.com"} 3`,
		`fairlead_healer_quarantined{cluster="live",service="shop.example.com"} 1`,
		`fairlead_registrar_up{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 1`,
		`fairlead_registrar_leader{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 0`,
		`fairlead_registrar_source_up{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 1`,
		`fairlead_registrar_desired{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 5`,
		`fairlead_registrar_registered{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 3`,
		`fairlead_registrar_pending{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 2`,
		`fairlead_registrar_failed{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 1`,
		`fairlead_registrar_writes_total{agent="127.0.0.1:8500",kind="registered",owner="fairlead",source="docker unix:///var/run/docker.sock"} 7`,
		`fairlead_registrar_writes_total{agent="127.0.0.1:8500",kind="deregistered",owner="fairlead",source="docker unix:///var/run/docker.sock"} 4`,
		`fairlead_registrar_writes_total{agent="127.0.0.1:8500",kind="drained",owner="fairlead",source="docker unix:///var/run/docker.sock"} 2`,
		`fairlead_registrar_writes_total{agent="127.0.0.1:8500",kind="resumed",owner="fairlead",source="docker unix:///var/run/docker.sock"} 1`,
		`fairlead_registrar_write_failures_total{agent="127.0.0.1:8500",owner="fairlead",source="docker unix:///var/run/docker.sock"} 6`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("the scrape lacks %s", line)
		}
	}
	if strings.Contains(got, `fairlead_pool_joined_priority{cluster="live",pool="www.example.com"}`) {
		t.Error("a pool with nobody up has a joined priority")
	}
	for _, m := range all {
		if !strings.Contains(got, "\n"+m.name) {
			t.Errorf("the scrape lacks %s altogether", m.name)
		}
	}
}

// TestLabelThatCannotBeShown fails one scrape, not the process.
func TestLabelThatCannotBeShown(t *testing.T) {
	edge := newEdge()
	edge.table.Load().Clusters[0].Exact["shop.example.com"].Members[0].Instance.ID = "live/\xff/shop"
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(New(edge, nil))
	if _, err := registry.Gather(); err == nil {
		t.Error("a label that is no UTF-8 goes through")
	}
}

// TestPageListsEveryMetric compares docs/metrics.md with the collector: names, kinds, labels and words, in the same order.
func TestPageListsEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := regexp.MustCompile("(?m)^\\| `fairlead_.*$").FindAllString(string(text), -1)
	var declared []string
	for _, m := range all {
		kind := map[prometheus.ValueType]string{prometheus.GaugeValue: "gauge", prometheus.CounterValue: "counter"}[m.kind]
		declared = append(declared, fmt.Sprintf("| `%s` | %s | %s | %s |", m.name, kind, strings.Join(m.labels, ", "), m.help))
	}
	if !slices.Equal(listed, declared) {
		t.Errorf("docs/metrics.md should list\n%s", strings.Join(declared, "\n"))
	}
}

// BenchmarkScrape scrapes 10,000 pools of two members.
func BenchmarkScrape(b *testing.B) {
	edge := newEdge()
	cluster := edge.table.Load().Clusters[0]
	for i := range 10000 {
		name := fmt.Sprintf("s%d.example.com", i)
		cluster.Exact[name] = newPool(name, name)
		cluster.Services[name] = cluster.Exact[name]
	}
	for b.Loop() {
		scrape(b, edge)
	}
}
