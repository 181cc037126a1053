package healer

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Input is everything Plan decides from.
type Input struct {
	Cluster string
	Policy  Policy
	// Self names this life of this healer, like no other.
	Self string
	// Leading says that this healer is the one that acts, and LeadingSince since when.
	Leading      bool
	LeadingSince time.Time
	// Wall is the time on the wall, for pauses; now may differ from it after the clock was set. ClockUntil is until when nothing is done
	// for that reason.
	Wall, ClockUntil time.Time

	Services []*Service // of this cluster
	// Problem is what is wrong with the desired file, if anything; Services are its last good content then.
	Problem string
	View    *View
	// Reads are what the runtimes said in this round, by domain. A service that is as wanted needs none.
	Reads map[string]Read
	// Book is the journal; nil if it cannot be read, and Blind says why.
	Book  *Book
	Blind string
	// Acting are the repairs this process is carrying out at the moment, Outcomes those it has finished; both by domain.
	Acting   map[string]string
	Outcomes map[string]Outcome
	Memory   *Memory
}

// Read is one look of a runtime at a service.
type Read struct {
	At          time.Time
	Observation Observation
	Err         error
}

// Outcome is what became of carrying out a repair. It says nothing of the effect.
type Outcome struct {
	Flight string // its ID
	At     time.Time
	Err    error
}

// Result is what Plan decided.
type Result struct {
	Memory   *Memory
	Services []ServiceStatus // by domain
	Drains   []DrainStatus   // the oldest first
	// Claims are the repairs to be made now, each after its record has been written.
	Claims []Claim
	// Records are those that have changed otherwise, by domain.
	Records map[string]*Record
	// Tell are the new notices that every healer gives, Matters, if not nil, those of the one that acts: they are given once they
	// are written to the journal.
	Tell    []Notice
	Matters *matters
	// Events are for the audit log.
	Events []AuditEntry
	// Frozen says why the fleet brake holds, nothing if it does not.
	Frozen string
}

// Claim is a repair to be made, with the record that says so.
type Claim struct {
	Action Action
	Record *Record
}

// Plan decides what to do about a cluster now. It does no I/O, reads no clock and changes nothing it is given.
func Plan(now time.Time, in *Input) *Result {
	p := &planner{now: now, in: in, policy: in.Policy.withDefaults(), memory: in.Memory.next()}
	p.out.Memory, p.out.Records = p.memory, map[string]*Record{}
	p.memory.inDoubt = in.View.Doubt != ""
	if p.memory.inDoubt || in.Memory != nil && in.Memory.inDoubt { // it may have ended a moment ago only
		p.memory.doubted = now
	}
	p.brake()
	p.emptyings()
	for _, s := range in.Services {
		p.trials = append(p.trials, p.trial(s))
	}
	p.spendings()
	// Who has least left comes first, then who has waited longest.
	order := slices.Clone(p.trials)
	slices.SortStableFunc(order, func(a, b *trial) int {
		return cmp.Or(
			cmp.Compare(a.sight.Present*b.service.Count, b.sight.Present*a.service.Count),
			a.short.Compare(b.short), strings.Compare(a.service.Domain, b.service.Domain))
	})
	for _, t := range order {
		t.decide()
	}
	for _, t := range p.trials {
		if t.dirty {
			p.out.Records[t.service.Domain] = t.record
		}
		p.out.Services = append(p.out.Services, t.status())
	}
	for _, d := range p.drains {
		p.out.Drains = append(p.out.Drains, d.status())
	}
	if len(p.out.Claims) == 0 && p.flying == 0 && !slices.ContainsFunc(p.trials, func(t *trial) bool { return len(t.repairs) > 0 }) {
		p.memory.pace = 1 // the next trouble is another one
	}
	p.forget()
	p.tell()
	slices.SortFunc(p.out.Services, func(a, b ServiceStatus) int { return strings.Compare(a.Service, b.Service) })
	return &p.out
}

// planner is one Plan at work.
type planner struct {
	now    time.Time
	in     *Input
	policy Policy
	memory *Memory
	trials []*trial
	drains []*emptying // the oldest first
	out    Result

	flying int // repairs under way
	spent  int // attempts of the last minute
}

// see notes evidence from a reading.
func (p *planner) see(what string, at time.Time) evidence {
	return p.memory.see(p.in.Memory, what, at, p.policy.ReadGap)
}

// records returns the journal's records, none if it cannot be read.
func (p *planner) records() map[string]*Record {
	if p.in.Book == nil {
		return nil
	}
	return p.in.Book.Records
}

// spendings counts what limits further repairs.
func (p *planner) spendings() {
	tries := func(r *Record) {
		for _, all := range r.Tries {
			for _, t := range all {
				if p.now.Sub(t) < time.Minute {
					p.spent++
				}
			}
		}
	}
	known := map[string]bool{}
	for _, t := range p.trials {
		known[t.service.Domain] = true
		tries(t.record)
		if t.record.Flight != nil {
			p.flying++
		}
	}
	for domain, r := range p.records() {
		if !known[domain] {
			tries(r)
		}
	}
}

// forget drops the records of services that are wanted no more, once nothing of them counts.
func (p *planner) forget() {
	if !p.in.Leading {
		return
	}
	for _, domain := range slices.Sorted(maps.Keys(p.records())) {
		if slices.ContainsFunc(p.trials, func(t *trial) bool { return t.service.Domain == domain }) {
			continue
		}
		r := p.records()[domain].clone()
		if r.broken != "" {
			continue
		}
		r.mend(p.now, p.in.LeadingSince)
		changed := r.prune(p.now, &p.policy)
		if r.Flight != nil && p.in.Acting[domain] == "" && p.now.After(r.Flight.due(&p.policy)) {
			r.Flight, changed = nil, true
		}
		if len(r.Tries) == 0 && len(r.Quarantine) > 0 {
			r.Quarantine, changed = nil, true
		}
		if changed {
			p.out.Records[domain] = r
		}
	}
}

// note adds to the audit log.
func (p *planner) note(service, what, reason string) { p.count(0, service, what, reason) }

// count adds to the audit log and to what is counted.
func (p *planner) count(kind auditKind, service, what, reason string) {
	p.out.Events = append(p.out.Events, AuditEntry{At: p.now, Cluster: p.in.Cluster, Service: service, What: what, Reason: reason, kind: kind})
}
