package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one name with its help, labels and kind.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	desc       *prometheus.Desc
}

// all metrics, in the order of their declaration.
var all []*metric

func gauge(name, help string, labels ...string) *metric {
	return declare(&metric{name: name, help: help, kind: prometheus.GaugeValue, labels: labels})
}

func counter(name, help string, labels ...string) *metric {
	return declare(&metric{name: name, help: help, kind: prometheus.CounterValue, labels: labels})
}

func declare(m *metric) *metric {
	m.desc = prometheus.NewDesc(m.name, m.help, m.labels, nil)
	all = append(all, m)
	return m
}

// send tells one value. A label that cannot be shown fails the scrape with its reason and never the process.
func (m *metric) send(out chan<- prometheus.Metric, value float64, labels ...string) {
	sample, err := prometheus.NewConstMetric(m.desc, m.kind, value, labels...)
	if err != nil {
		sample = prometheus.NewInvalidMetric(m.desc, err)
	}
	out <- sample
}

func priorityLabel(priority int) string { return strconv.Itoa(priority) }

// The metrics. docs/metrics.md lists them with the same words.
var (
	snapshotVersion = gauge("fairlead_snapshot_version",
		"Version of the snapshot that all decisions are made from; it begins anew with the process.")
	refusals = counter("fairlead_refusals_total",
		"Requests answered by the edge itself instead of a member, by the word that explain shows.", "code")

	laneRequests = counter("fairlead_lane_requests_total",
		"Requests that the lane has served, or refused itself.")
	laneHandedOver = counter("fairlead_lane_handed_over_total",
		"Connections that the lane has given to Caddy's HTTP server, for their next request and those that follow.")
	laneTurned = counter("fairlead_lane_turned_total",
		"Connections and requests that the lane has turned away before there was a request to serve, by reason.", "reason")

	clusterReady = gauge("fairlead_cluster_ready",
		"1 once the cluster has had facts; its names get 503 before.", "cluster")
	clusterRefusedClaims = gauge("fairlead_cluster_refused_claims",
		"Domains that services ask for and do not get.", "cluster")
	clusterFactsVersion = gauge("fairlead_cluster_facts_version",
		"Version of the cluster's facts: it rises with every change at its sources, and begins anew with the process.", "cluster")
	clusterServices = gauge("fairlead_cluster_services",
		"Services known.", "cluster")
	clusterInstances = gauge("fairlead_cluster_instances",
		"Instances known, healthy or not.", "cluster")
	clusterHeld = gauge("fairlead_cluster_held_instances",
		"Instances kept although no source vouches for them.", "cluster")
	clusterDoubts = gauge("fairlead_cluster_doubts",
		"Reasons why facts are kept that are no longer confirmed, by kind: source, shrink or mass.", "cluster", "kind")

	sourceReady = gauge("fairlead_source_ready",
		"1 once the source has given a complete answer in this life of the process.", "cluster", "source")
	sourceIndex = gauge("fairlead_source_index",
		"The source's own version of its last answer (Consul: X-Consul-Index); 0 where it has none.", "cluster", "source")
	sourceWatches = gauge("fairlead_source_watches",
		"Requests the source keeps open.", "cluster", "source")
	sourceLastAnswer = gauge("fairlead_source_last_answer_timestamp_seconds",
		"Unix time of the last answer that was believed; absent before the first.", "cluster", "source")
	sourceRefused = gauge("fairlead_source_refused",
		"Containers and ports that the source does not let count.", "cluster", "source")

	poolRequests = counter("fairlead_pool_requests_total",
		"Requests for the pool.", "cluster", "pool")
	poolRetries = counter("fairlead_pool_retries_total",
		"Further members tried, after a first one failed.", "cluster", "pool")
	poolInFlight = gauge("fairlead_pool_in_flight_requests",
		"Requests under way.", "cluster", "pool")
	poolQueued = gauge("fairlead_pool_queued_requests",
		"Requests that wait for a place below a connection limit.", "cluster", "pool")
	poolJoined = gauge("fairlead_pool_joined_priority",
		"Lowest priority that takes traffic; absent while no member is active.", "cluster", "pool")
	poolMembers = gauge("fairlead_pool_members",
		"Members of a priority group.", "cluster", "pool", "priority")
	poolMembersUp = gauge("fairlead_pool_members_up",
		"Active members of a priority group.", "cluster", "pool", "priority")

	memberState = gauge("fairlead_member_state",
		"0 down, 1 active, 2 draining, 3 disabled.", "cluster", "service", "instance")
	memberInFlight = gauge("fairlead_member_in_flight_requests",
		"Requests or connections under way at the instance.", "cluster", "service", "instance")
	memberRequests = counter("fairlead_member_requests_total",
		"Requests ever sent to the instance.", "cluster", "service", "instance")
	memberFailures = counter("fairlead_member_failures_total",
		"Requests to the instance that passive checks count as failed.", "cluster", "service", "instance")
	memberLatency = gauge("fairlead_member_latency_seconds",
		"Response time of the instance as peak EWMA: peaks count at once and fade in 10 s; 0 while nothing is known.",
		"cluster", "service", "instance")

	healerLeading = gauge("fairlead_healer_leading",
		"1 while this process is the one that heals the cluster.", "cluster")
	healerDoubt = gauge("fairlead_healer_doubt",
		"1 while nothing is healed since the facts of the whole cluster are in doubt.", "cluster")
	healerBlind = gauge("fairlead_healer_blind",
		"1 while nothing is healed since the journal cannot be read.", "cluster")
	healerFrozen = gauge("fairlead_healer_frozen",
		"1 while nothing is healed since too much is wrong at once.", "cluster")
	healerProblem = gauge("fairlead_healer_desired_problem",
		"1 while the desired file cannot be used; its last good content holds.", "cluster")
	healerPauses = gauge("fairlead_healer_pauses",
		"Pauses in force.", "cluster")
	healerDrains = gauge("fairlead_healer_drains",
		"Hosts that are drained, or being let back.", "cluster")
	healerRounds = counter("fairlead_healer_rounds_total",
		"Looks at what is present and what is wanted.", "cluster")
	healerLastRound = gauge("fairlead_healer_last_round_timestamp_seconds",
		"Unix time of the last such look; absent before the first.", "cluster")
	healerRepairs = counter("fairlead_healer_repairs_total",
		"Repairs begun, by kind: scale, start or stop.", "cluster", "kind")
	healerResults = counter("fairlead_healer_results_total",
		"Repairs by what became of them: verified, failed or fenced (somebody else was faster); and gave_up for what is attempted no more for a while.",
		"cluster", "result")
	healerState = gauge("fairlead_healer_state",
		"0 as many present as wanted, 1 more, 2 fewer, 3 nobody can tell: as fairlead check exits.", "cluster", "service")
	healerPresent = gauge("fairlead_healer_present",
		"Copies present: registered and passing or warning.", "cluster", "service")
	healerWanted = gauge("fairlead_healer_wanted",
		"Copies wanted by the desired file.", "cluster", "service")
	healerQuarantined = gauge("fairlead_healer_quarantined",
		"Repairs of the service that are given up for a while.", "cluster", "service")

	registrarUp = gauge("fairlead_registrar_up",
		"1 while the Consul agent of this host answers.", "owner", "agent", "source")
	registrarLeader = gauge("fairlead_registrar_leader",
		"1 while that agent knows a leader; nothing is written without one.", "owner", "agent", "source")
	registrarSourceUp = gauge("fairlead_registrar_source_up",
		"1 while the source of instances is heard and not in doubt; nothing is deregistered otherwise.", "owner", "agent", "source")
	registrarDesired = gauge("fairlead_registrar_desired",
		"Services that ought to be registered.", "owner", "agent", "source")
	registrarRegistered = gauge("fairlead_registrar_registered",
		"Services that are registered as they ought to be.", "owner", "agent", "source")
	registrarPending = gauge("fairlead_registrar_pending",
		"Services that are still to be written, deregistrations among them.", "owner", "agent", "source")
	registrarFailed = gauge("fairlead_registrar_failed",
		"Services that are not as they ought to be because of an error.", "owner", "agent", "source")
	registrarRefused = gauge("fairlead_registrar_refused",
		"Containers and ports that the source does not let count.", "owner", "agent", "source")
	registrarWrites = counter("fairlead_registrar_writes_total",
		"Writes that the agent has taken, by kind: registered, deregistered, drained or resumed.", "owner", "agent", "source", "kind")
	registrarFailures = counter("fairlead_registrar_write_failures_total",
		"Writes that failed.", "owner", "agent", "source")

	doorViewers = gauge("fairlead_agent_viewers",
		"Readers of logs and statistics at the moment.", "host")
	doorRecords = counter("fairlead_agent_records_total",
		"Log records and readings sent to them.", "host")
	doorDropped = counter("fairlead_agent_records_dropped_total",
		"Log records and readings left out because their reader was too slow.", "host")
	doorTurned = counter("fairlead_agent_turned_away_total",
		"Readers turned away because there were too many.", "host")
	doorDenied = counter("fairlead_agent_denied_total",
		"Requests by clients that may not read.", "host")
)
