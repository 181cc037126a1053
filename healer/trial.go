package healer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// trial is the judgement of one service in one round.
type trial struct {
	*planner
	service *Service
	sight   *Sight
	read    *Read // nil if the runtime was not asked
	record  *Record
	dirty   bool // the record has changed

	short   time.Time // since when too few have been seen
	repairs []repair  // what could be done, the first choice first
	advice  string    // why nothing can be done by us
	claimed *repair
	gate    Gate
	refusal string
}

// repair is one thing that could be done.
type repair struct {
	action     Action
	what       string // under which attempts are counted
	superseded bool
	node       string    // the catalog's name for the action's node, where it is known
	drain      *emptying // whose copy is moved, nil for a repair proper
	counts     bool      // whether that copy may be among those present
	evidence   evidence
	hold       time.Duration // for how long it must have been so
}

// trial looks at one service: settles what is under way and finds what could be done.
func (p *planner) trial(s *Service) *trial {
	t := &trial{planner: p, service: s, sight: p.in.View.Sights[s.Domain]}
	if read, asked := p.in.Reads[s.Domain]; asked {
		t.read = &read
	}
	t.record = &Record{Service: s.Domain}
	if r := p.records()[s.Domain]; r != nil {
		t.record = r.clone()
		t.record.mend(p.now, p.in.LeadingSince)
		t.upkeep()
	}
	if t.sight.Doubt != "" {
		t.unsure(t.sight.Doubt)
		return t
	}
	if t.sight.Present < s.Count {
		t.short = p.see(s.Domain+" few", p.now).since
	}
	if !t.observed() {
		t.unsure(t.runtime(nil))
		return t
	}
	if s.Run.Swarm != "" {
		t.swarm()
	} else {
		t.plain()
	}
	t.empty()
	return t
}

// observed reports whether the runtime has answered.
func (t *trial) observed() bool { return t.read != nil && t.read.Err == nil }

// upkeep brings the record up to date. Only the healer that acts changes anything in it.
func (t *trial) upkeep() {
	if !t.in.Leading || t.record.broken != "" {
		return
	}
	if t.record.Signature != t.service.signature() && (len(t.record.Tries) > 0 || len(t.record.Quarantine) > 0) {
		t.record.Tries, t.record.Quarantine, t.record.LastError = nil, nil, ""
		t.record.Signature, t.dirty = t.service.signature(), true
		t.note(t.service.Domain, "attempts forgotten", "the service is run in another way now")
	}
	if t.record.prune(t.now, &t.policy) {
		t.dirty = true
	}
	t.settle()
	if t.sight.Doubt == "" && t.sight.Present >= t.service.Count && t.record.Flight == nil && t.record.release() {
		t.dirty = true
	}
}

// tries returns the attempts that still count.
func (t *trial) tries(what string) []time.Time { return t.record.Tries[what] }

// state is what the facts alone say.
func (t *trial) state() State { return judge(t.service, t.sight) }

// decide lets the repairs through the gates, one after another: the first that passes is claimed.
func (t *trial) decide() {
	if len(t.repairs) == 0 {
		if state := t.state(); state == Critical || state == Unknown {
			t.gate, t.refusal = t.ask(nil)
		}
		return
	}
	for i := range t.repairs {
		r := &t.repairs[i]
		gate, refusal := t.ask(r)
		if refusal == "" {
			t.gate, t.refusal = "", ""
			t.claim(r)
			return
		}
		t.waiting(r, gate, refusal)
		if gate == GateQuarantine {
			t.giveUp(r.what)
		}
		if i == 0 {
			t.gate, t.refusal = gate, refusal
		}
	}
}

// giveUp puts what was attempted too often into quarantine.
func (t *trial) giveUp(what string) {
	if _, given := t.record.Quarantine[what]; given {
		return
	}
	if t.record.Quarantine == nil {
		t.record.Quarantine = map[string]time.Time{}
	}
	t.record.Quarantine[what], t.dirty = t.now, true
	t.count(gaveUp, t.service.Domain, "gave up: "+what, fmt.Sprintf("%d attempts within %s", t.policy.Attempts, t.policy.AttemptsIn))
}

// claim takes a repair on.
func (t *trial) claim(r *repair) {
	a := &r.action
	t.claimed = r
	flight := &Flight{
		ID: t.in.Self + "/" + strconv.FormatInt(t.now.UnixNano(), 36), By: t.in.Self, What: r.what, Kind: a.Kind,
		To: a.To, Slot: a.Slot, Generation: a.Generation, Copy: a.Copy, Superseded: r.superseded,
		Since: t.now, Was: t.sight.Present, Reason: a.Reason,
	}
	if r.drain != nil {
		flight.Emptied = r.drain.Host
		r.drain.waits = t.service.Domain + ": " + flight.String()
	}
	t.record.claim(t.now, t.service, flight)
	t.dirty = false // it is written with the claim
	t.flying++
	t.spent++
	t.out.Claims = append(t.out.Claims, Claim{Action: *a, Record: t.record})
	t.note(t.service.Domain, "plan: "+t.record.Flight.String(), a.Reason)
}

// problems names what the engine says of each copy that does not run.
func (t *trial) problems() (problems []string) {
	if !t.observed() {
		return nil
	}
	for _, c := range t.read.Observation.Copies {
		if c.Problem == "" {
			continue
		}
		where := ""
		if c.Node != "" {
			where = " on " + c.Node
		}
		problem := fmt.Sprintf("slot %d%s: %s", c.Slot, where, c.Problem)
		if !slices.Contains(problems, problem) {
			problems = append(problems, problem)
		}
	}
	return problems
}

// status is what is shown of the service.
func (t *trial) status() ServiceStatus {
	s := ServiceStatus{
		Service: t.service.Domain, Cluster: t.in.Cluster, State: t.state(), Present: t.sight.Present, Count: t.service.Count,
		Reason: t.sight.Doubt, Gate: t.gate, Refusal: t.refusal, Flight: t.record.Flight, LastError: t.record.LastError,
		Problems: t.problems(),
	}
	if t.claimed != nil {
		s.Wanted = describe(&t.claimed.action)
	} else if len(t.repairs) > 0 {
		s.Wanted = describe(&t.repairs[0].action)
	}
	for what := range t.record.Quarantine {
		s.Quarantine = append(s.Quarantine, what)
	}
	slices.Sort(s.Quarantine)
	return s
}

func describe(a *Action) string {
	words := []string{}
	switch a.Kind {
	case Scale:
		words = append(words, fmt.Sprintf("raise replicas to %d", a.To))
	case Start:
		words = append(words, fmt.Sprintf("start slot %d, generation %d", a.Slot, a.Generation))
	case Stop:
		words = append(words, "stop copy "+short(a.Copy))
		if a.Node != "" {
			words = append(words, "on "+a.Node)
		}
	}
	return strings.Join(words, " ") + ": " + a.Reason
}
