package faults

import (
	"fmt"
	"strings"
	"time"
)

// short is a built-in time divided as the tests are told.
func short(builtIn time.Duration) time.Duration {
	return (time.Duration(float64(builtIn) / *shorten)).Round(time.Millisecond)
}

// least is short, but not below what a busy machine needs or Consul allows.
func least(builtIn, floor time.Duration) time.Duration {
	return max(short(builtIn), min(floor, builtIn))
}

// The times that tests wait for; the same that the fleet is told.
func warmUp() time.Duration     { return short(2 * time.Minute) }
func lostAfter() time.Duration  { return short(2 * time.Minute) }
func doubtFor() time.Duration   { return short(time.Minute) }
func fleetClear() time.Duration { return short(2 * time.Minute) }
func resync() time.Duration     { return short(30 * time.Second) }
func probation() time.Duration  { return short(time.Minute) }
func lockTTL() time.Duration    { return least(15*time.Second, 10*time.Second) }
func lockDelay() time.Duration  { return least(15*time.Second, lockTTL()/2) }
func heartbeat() time.Duration  { return least(5*time.Second, 2*time.Second) }
func verify() time.Duration     { return least(time.Minute, 15*time.Second) }
func restarts() time.Duration   { return short(5 * time.Second) }

// handover is how long it takes at most until another healer has the lock of one that is silent: Consul ends a session after its TTL at the
// earliest and twice that at the latest.
func handover() time.Duration { return 2*lockTTL() + lockDelay() + slack }

// slack is what anything may take beside the timers: it only bounds the wait for what ought to come, so that a busy machine passes.
const slack = 90 * time.Second

// deficitFor is the hold-down. It is longer where a fault needs to happen in the middle of it.
func (w *ward) deficitFor() time.Duration { return least(time.Minute, w.hold) }

// healing are the lines of the block heal.
func (w *ward) healing() string {
	var b strings.Builder
	fmt.Fprintf(&b, "poll %s\n\t\t\tnotify webhook %s\n\t\t\ttimers {\n", short(time.Second), w.people.url)
	for _, t := range []struct {
		name  string
		value time.Duration
	}{
		{"warm_up", warmUp()}, {"deficit_for", w.deficitFor()}, {"lost_after", lostAfter()}, {"doubt_for", doubtFor()},
		{"fleet_clear", fleetClear()}, {"read_gap", short(5 * time.Second)}, {"backoff_min", short(30 * time.Second)},
		{"backoff_max", short(15 * time.Minute)}, {"attempts_in", short(time.Hour)}, {"quarantine_for", short(time.Hour)},
		{"settle_for", short(10 * time.Second)}, {"verify", verify()},
		{"act_timeout", short(5 * time.Minute)}, {"tick", short(5 * time.Second)}, {"round_gap", least(time.Second, 100*time.Millisecond)},
		{"observe_timeout", least(10*time.Second, 2*time.Second)}, {"state_timeout", least(5*time.Second, 2*time.Second)},
		{"lock_ttl", lockTTL()}, {"lock_delay", lockDelay()},
	} {
		fmt.Fprintf(&b, "\t\t\t\t%s %s\n", t.name, t.value)
	}
	fmt.Fprintf(&b, "\t\t\t}\n\t\t\tlimits {\n\t\t\t\tper_minute %d\n\t\t\t}", int(6**shorten)) // a rate is divided by the other side
	return b.String()
}

// following are the lines of the block consul.
func following() string {
	return fmt.Sprintf("canary %s\n\t\t\t\ttimeout %s", short(time.Minute), least(10*time.Second, 2*time.Second))
}

// registering are the agents' arguments.
func registering() []string {
	return []string{"--resync", resync().String(), "--probation", probation().String(), "--stop-wait", short(5 * time.Second).String()}
}
