package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead/fairlead/admin/agent"
	"github.com/fairlead/fairlead/discovery/registrar"
	"github.com/fairlead/fairlead/healer"
)

// collectHealer tells of the healer of one cluster. What was never counted is told as 0, so that its first time is a rise.
func collectHealer(out chan<- prometheus.Metric, s *healer.Status) {
	healerLeading.send(out, number(s.Leading), s.Cluster)
	healerDoubt.send(out, number(s.Doubt != ""), s.Cluster)
	healerBlind.send(out, number(s.Blind != ""), s.Cluster)
	healerFrozen.send(out, number(s.Frozen != ""), s.Cluster)
	healerProblem.send(out, number(s.Problem != ""), s.Cluster)
	healerPauses.send(out, float64(len(s.Pauses)), s.Cluster)
	healerDrains.send(out, float64(len(s.Drains)), s.Cluster)
	healerRounds.send(out, float64(s.Totals.Rounds), s.Cluster)
	if !s.At.IsZero() {
		healerLastRound.send(out, float64(s.At.UnixMilli())/1000, s.Cluster)
	}
	for _, kind := range []healer.Kind{healer.Scale, healer.Start, healer.Stop} {
		healerRepairs.send(out, float64(s.Totals.Planned[kind]), s.Cluster, string(kind))
	}
	for result, n := range map[string]int{
		"verified": s.Totals.Verified, "failed": s.Totals.Failed, "fenced": s.Totals.Fenced, "gave_up": s.Totals.GaveUp,
	} {
		healerResults.send(out, float64(n), s.Cluster, result)
	}
	for i := range s.Services {
		service := &s.Services[i]
		healerState.send(out, float64(service.State.ExitCode()), s.Cluster, service.Service)
		healerPresent.send(out, float64(service.Present), s.Cluster, service.Service)
		healerWanted.send(out, float64(service.Count), s.Cluster, service.Service)
		healerQuarantined.send(out, float64(len(service.Quarantine)), s.Cluster, service.Service)
	}
}

// identity is what the labels of a registrar say.
type identity struct{ owner, agent, source string }

// collectRegistrars tells of each registrar, once even if it is configured twice.
func collectRegistrars(out chan<- prometheus.Metric, all []registrar.Status) {
	told := map[identity]bool{}
	for i := range all {
		is := identity{all[i].Owner, all[i].Agent.Address, all[i].Source.Name}
		if !told[is] {
			collectRegistrar(out, is, &all[i])
		}
		told[is] = true
	}
}

func collectRegistrar(out chan<- prometheus.Metric, is identity, s *registrar.Status) {
	send := func(m *metric, value float64, kind ...string) {
		m.send(out, value, append([]string{is.owner, is.agent, is.source}, kind...)...)
	}
	failed := 0
	for i := range s.Items {
		if s.Items[i].Error != "" {
			failed++
		}
	}
	send(registrarUp, number(s.Agent.Up))
	send(registrarLeader, number(s.Agent.Leader))
	send(registrarSourceUp, number(s.Source.Up))
	send(registrarDesired, float64(s.Counts.Desired))
	send(registrarRegistered, float64(s.Counts.Agreeing))
	send(registrarPending, float64(s.Counts.Pending))
	send(registrarFailed, float64(failed))
	send(registrarRefused, float64(len(s.Source.Refused)))
	send(registrarWrites, float64(s.Writes.Registered), "registered")
	send(registrarWrites, float64(s.Writes.Deregistered), "deregistered")
	send(registrarWrites, float64(s.Writes.Drained), "drained")
	send(registrarWrites, float64(s.Writes.Resumed), "resumed")
	send(registrarFailures, float64(s.Writes.Failed))
}

// collectDoor tells of the door to logs of one host.
func collectDoor(out chan<- prometheus.Metric, host string, s *agent.Status) {
	doorViewers.send(out, float64(s.Viewers), host)
	doorRecords.send(out, float64(s.Records), host)
	doorDropped.send(out, float64(s.Dropped), host)
	doorTurned.send(out, float64(s.Turned), host)
	doorDenied.send(out, float64(s.Denied), host)
}
