package faults

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

// fault is one way to break the laboratory.
type fault struct {
	number int
	name   string
	pass   string // what must hold
	run    func(*ward, *testing.T, *result)
}

// The faults, by the laboratory they happen in. A number may stand in several: it is looked at from several sides.
var (
	ofHosts = []fault{
		{1, "a host loses its power", "replacements within the hold-down and 30 s; no request fails once it is noticed", (*ward).powerOff},
		{2, "it comes back with old containers", "as many as wanted; one of unknown origin is told of once and lives", (*ward).powerOn},
		{3, "an engine restarts, its containers end", "the same slots come back, at most one copy in each, no repair", (*ward).engineRestarts},
		{4, "an engine hangs", "its host is unknown, not empty: nothing is deregistered, no repair through it", (*ward).engineHangs},
		{6, "copies die in a Swarm: rm -f, kill -9", "deregistered at once; Swarm replaces them, no repair", (*ward).copiesDie},
		{11, "Consul's leader dies; no leader for long", "edges serve, no repair until there is one, then it is made", (*ward).leaderless},
		{13, "the healer's Consul is in a minority", "it stops before another begins, which acts; no slot twice when it is over", (*ward).minority},
		{15, "Consul is restored from a snapshot", "the lower index is noticed, everything read anew, no repair", (*ward).restored},
		{16, "Consul reloads 100 times, and check outputs change", "0 repairs, no edge reloads", (*ward).storm},
	}
	ofHealers = []fault{
		{19, "two healers at once; a session is destroyed", "one of two updates passes, never more replicas than wanted", (*ward).twoHealers},
		{20, "a healer is stopped while it heals, and woken", "another heals; the woken one does nothing of what it had in mind", (*ward).asleep},
		{21, "a healer is killed when Swarm has its order", "another finishes; one update in all", (*ward).killedInSwarm},
		{22, "the desired count changes during a repair", "the end is the new count", (*ward).newCount},
		{23, "desired files that make no sense", "refused by name, the last good one holds, people are told", (*ward).badFiles},
		{32, "two hosts are drained during a repair", "min_available kept, the second waits, a drained host gets nothing", (*ward).drained},
	}
	ofServices = []fault{
		{26, "a Swarm service that crashes", "Swarm's to mend: no repair, people are told once; others unaffected", (*ward).crashesInSwarm},
		{27, "an update to an image that does not exist", "no repair, the old copies stay, people are told once", (*ward).imageMissing},
		{29, "checks that are slow, warn or flap", "present all the time, no repair", (*ward).flapping},
		{30, "a check that finds all copies critical, and one that finds one", "frozen, nothing stopped, people told; one alone is replaced", (*ward).falseAlarm},
	}
	ofAgents = []fault{
		{3, "an engine restarts, its containers live on", "the same processes, no repair", (*ward).liveRestore},
		{5, "Docker's events are cut off, or do not come", "at once with events, without them by the next cycle; events again afterwards", (*ward).noEvents},
		{7, "containers die while the agent is dead", "ghosts gone after probation and a cycle; others' entries untouched", (*ward).agentKilled},
		{8, "the agent comes back under another host name", "the same IDs, nothing twice, nothing written", (*ward).renamed},
		{9, "entries without a container, ours and others'", "ours goes, others' stay", (*ward).ghosts},
	}
	ofStarts = []fault{
		{21, "a healer is killed between writing and doing", "the next life finishes; never a second copy", (*ward).killedHalfway},
	}
	ofEngines = []fault{
		{2, "an old copy returns beside its successor", "the superseded one is stopped once the other is well", (*ward).superseded},
		{6, "copies die: rm -f, kill -9, out of memory", "deregistered at once; one repair each, after the hold-down", (*ward).plainCopiesDie},
		{26, "a container that crashes, an image that does not exist (27)", "back-off, 5 attempts, then given up and told; others unaffected", (*ward).crashes},
	}
)

// TestFaults has laboratories side by side: three hosts in one Swarm, or one plain engine. In each the faults come one after another.
func TestFaults(t *testing.T) {
	if !lab.Required("faults") { // they take minutes
		t.Skip("the faults take minutes, and want FAIRLEAD_REQUIRE to name them: make faults, or make lab-faults with the built-in timers")
	}
	var wait sync.WaitGroup
	room := make(chan struct{}, *labs) // most of the time they wait, so that they may be more than processors
	for _, l := range []struct {
		name   string
		plain  bool
		hold   time.Duration // in whose middle faults happen
		faults []fault
	}{
		{"hosts", false, 0, ofHosts},
		{"healers", false, 6 * time.Second, ofHealers},
		{"engines", true, 0, ofEngines},
		{"starts", true, 0, ofStarts},
		{"services", false, 6 * time.Second, ofServices},
		{"agents", true, 0, ofAgents},
	} {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			t.Run(l.name, func(t *testing.T) {
				w := newWard(t, l.name, l.plain, l.hold)
				for i := range l.faults {
					f := &l.faults[i]
					t.Run(fmt.Sprintf("%02d_%s", f.number, f.name), func(t *testing.T) { w.try(t, f) })
				}
			})
		})
	}
	wait.Wait()
}
