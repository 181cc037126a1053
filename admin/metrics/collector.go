package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead/fairlead/admin"
	"github.com/fairlead/fairlead/admin/agent"
	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy"
	"github.com/fairlead/fairlead/proxy/pool"
)

// Edge is what the metrics show.
type Edge interface {
	Table() *pool.Table
	// Facts returns the newest facts of a cluster, or nil for an unknown one.
	Facts(cluster string) *discovery.Facts
	// Refusals counts, by the word of their code, the requests and questions that were refused in this life of the process.
	Refusals() map[string]uint64
	// Lane counts what the lane has done.
	Lane() proxy.LaneCounts
}

// Healing is what the metrics show of healing and registration; *admin.Healing is one.
type Healing interface {
	Statuses() []healer.Status
	Registrations() []registrar.Status
	DoorStatuses() map[string]agent.Status
}

var _ Healing = (*admin.Healing)(nil)

// Collector reads an edge, and what heals behind it, at every scrape.
type Collector struct {
	edge    Edge
	healing Healing
}

var _ prometheus.Collector = (*Collector)(nil)

// New returns a collector to be registered once per registry. healing may be nil.
func New(edge Edge, healing Healing) *Collector {
	if healing == nil {
		healing = (*admin.Healing)(nil)
	}
	return &Collector{edge, healing}
}

// Describe tells of every metric there may be.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range all {
		out <- m.desc
	}
}

// Collect reads one snapshot, the newest facts, the meters, and what the healers and registrars say of themselves.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s := c.edge.Table().Load()
	snapshotVersion.send(out, float64(s.Version))
	for code, n := range c.edge.Refusals() {
		refusals.send(out, float64(n), code)
	}
	collectLane(out, c.edge.Lane())
	for _, cluster := range s.Clusters {
		collectCluster(out, cluster)
		if facts := c.edge.Facts(cluster.Name); facts != nil {
			collectFacts(out, facts)
		}
		previous := ""
		for _, p := range cluster.Pools() {
			if p.Name != previous { // a registry refuses the whole scrape for one series told twice
				collectPool(out, p)
			}
			previous = p.Name
		}
		for _, p := range cluster.Services {
			for _, m := range p.Members {
				collectMember(out, p, m)
			}
		}
	}
	for _, status := range c.healing.Statuses() {
		collectHealer(out, &status)
	}
	collectRegistrars(out, c.healing.Registrations())
	for host, status := range c.healing.DoorStatuses() {
		collectDoor(out, host, &status)
	}
}

func collectLane(out chan<- prometheus.Metric, lane proxy.LaneCounts) {
	laneRequests.send(out, float64(lane.Served))
	laneHandedOver.send(out, float64(lane.HandedOver))
	for reason, n := range lane.Turned {
		laneTurned.send(out, float64(n), reason)
	}
}

func collectCluster(out chan<- prometheus.Metric, c *pool.Cluster) {
	clusterReady.send(out, number(c.Ready), c.Name)
	clusterRefusedClaims.send(out, float64(len(c.Refused)), c.Name)
}

func collectFacts(out chan<- prometheus.Metric, f *discovery.Facts) {
	instances, held := 0, 0
	for _, service := range f.Services {
		instances += len(service.Instances)
		for i := range service.Instances {
			if service.Instances[i].Held != "" {
				held++
			}
		}
	}
	clusterFactsVersion.send(out, float64(f.Version), f.Cluster)
	clusterServices.send(out, float64(len(f.Services)), f.Cluster)
	clusterInstances.send(out, float64(instances), f.Cluster)
	clusterHeld.send(out, float64(held), f.Cluster)

	doubts := map[discovery.DoubtKind]int{discovery.SourceDoubt: 0, discovery.ShrinkDoubt: 0, discovery.MassDoubt: 0}
	for _, d := range f.Doubts {
		doubts[d.Kind]++
	}
	for _, s := range f.Sources {
		for _, d := range s.Doubts {
			doubts[d.Kind]++
		}
		sourceReady.send(out, number(s.Ready), f.Cluster, s.Name)
		sourceIndex.send(out, float64(s.Index), f.Cluster, s.Name)
		sourceWatches.send(out, float64(s.Watches), f.Cluster, s.Name)
		sourceRefused.send(out, float64(len(s.Refused)), f.Cluster, s.Name)
		if !s.LastAnswer.IsZero() {
			sourceLastAnswer.send(out, float64(s.LastAnswer.UnixMilli())/1000, f.Cluster, s.Name)
		}
	}
	for kind, n := range doubts {
		clusterDoubts.send(out, float64(n), f.Cluster, string(kind))
	}
}

func collectPool(out chan<- prometheus.Metric, p *pool.Pool) {
	poolRequests.send(out, float64(p.Meter.Requests.Load()), p.Cluster, p.Name)
	poolRetries.send(out, float64(p.Meter.Retries.Load()), p.Cluster, p.Name)
	poolInFlight.send(out, float64(p.Meter.InFlight.Load()), p.Cluster, p.Name)
	poolQueued.send(out, float64(p.Meter.Queued.Load()), p.Cluster, p.Name)
	if p.Joined >= 0 {
		poolJoined.send(out, float64(p.Groups[p.Joined].Priority), p.Cluster, p.Name)
	}
	for _, g := range p.Groups {
		priority := priorityLabel(g.Priority)
		poolMembers.send(out, float64(len(g.Members)), p.Cluster, p.Name, priority)
		poolMembersUp.send(out, float64(g.Up), p.Cluster, p.Name, priority)
	}
}

// collectMember tells of one instance, once for each even if its service has several domains: the meter is the instance's.
func collectMember(out chan<- prometheus.Metric, p *pool.Pool, m *pool.Member) {
	id := m.ID()
	memberState.send(out, float64(m.State), p.Cluster, p.Service, id)
	memberInFlight.send(out, float64(m.Meter.InFlight.Load()), p.Cluster, p.Service, id)
	memberRequests.send(out, float64(m.Meter.Requests.Load()), p.Cluster, p.Service, id)
	memberFailures.send(out, float64(m.Meter.Failures.Load()), p.Cluster, p.Service, id)
	memberLatency.send(out, m.Meter.Latency().Seconds(), p.Cluster, p.Service, id)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
