package healer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// matters are what people have been told of and is not over, by key. They are in the journal, so that whoever acts next neither
// tells it again nor forgets to say that it is over.
type matters struct {
	Open map[string]matter `json:"open"`

	index uint64
	tell  []Notice // what is to be told once they are written
}

// matter is a notice that was given. It is given again when its grade changes: words that change while nothing does are no news.
type matter struct {
	Notice Notice `json:"notice"`
	Grade  string `json:"grade,omitempty"`
}

// tell compares what is to be told with what has been.
func (p *planner) tell() {
	p.memory.matters, p.out.Tell = compare(p.memory.matters, p.common())
	if !p.in.Leading || p.in.Book == nil || p.now.Sub(p.in.LeadingSince) < p.policy.WarmUp {
		return
	}
	old := p.in.Book.matters
	open, tell := compare(old.Open, p.own(old.Open))
	if !maps.Equal(open, old.Open) {
		p.out.Matters = &matters{Open: open, index: old.index, tell: tell}
	}
}

// compare returns what is open now, and what is to be told: what is new and what is over. A matter keeps its beginning.
func compare(old, now map[string]matter) (open map[string]matter, tell []Notice) {
	for _, key := range slices.Sorted(maps.Keys(now)) {
		m := now[key]
		before, known := old[key]
		if known && before.Grade == m.Grade && before.Notice.Event == m.Notice.Event {
			now[key] = before
			continue
		}
		if known {
			m.Notice.Since = before.Notice.Since
		}
		m.Notice.Since = m.Notice.Since.UTC().Truncate(time.Second)
		now[key] = m
		tell = append(tell, m.Notice)
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if _, still := now[key]; still {
			continue
		}
		over := old[key].Notice
		over.Resolved, over.Text = true, "Over: "+over.Text
		if over.Event == TooFew {
			over.Event = Healed
		}
		tell = append(tell, over)
	}
	return now, tell
}

// common are the matters that each healer tells, even one that does not act: without Consul nobody does.
func (p *planner) common() map[string]matter {
	open := map[string]matter{}
	if p.in.Problem != "" {
		p.open(open, "desired", "", p.in.Problem, Notice{Event: Doubted, Since: p.now,
			Text: "The desired file cannot be used, its last good content stays: " + p.in.Problem})
	}
	if p.in.View.Doubt != "" {
		if e := p.see("doubt", p.now); p.now.Sub(e.since) >= p.policy.DoubtFor {
			p.open(open, "doubt", "", "", Notice{Event: Doubted, Since: e.since,
				Text: "Nothing is healed, since the facts are in doubt: " + p.in.View.Doubt})
		}
	}
	if p.in.Blind != "" {
		if e := p.see("blind", p.now); p.now.Sub(e.since) >= p.policy.DoubtFor {
			p.open(open, "journal", "", "", Notice{Event: Doubted, Since: e.since, Text: "Nothing is healed: " + p.in.Blind})
		}
	}
	return open
}

// own are the matters that only the healer that acts tells. What nobody can judge at the moment stays as it was.
func (p *planner) own(old map[string]matter) map[string]matter {
	open := map[string]matter{}
	if f := p.memory.freeze; f != nil {
		p.open(open, "frozen", "", "", Notice{Event: Frozen, Since: f.since,
			Text: "Nothing is healed, since too much is wrong at once: " + f.reason + ". Look for what it has in common."})
	}
	deaf := 0
	for _, t := range p.trials {
		domain := t.service.Domain
		for what := range t.record.Quarantine {
			p.open(open, "gave_up/"+what, domain, "", Notice{Event: GaveUp, Since: p.now, Text: t.gaveUp(what)})
		}
		if t.read != nil && t.read.Err != nil {
			deaf++
		}
		if t.sight.Doubt == "" {
			t.tellFew(open, old)
			t.tellMany(open, old)
			continue
		}
		for _, key := range []string{p.key("few", domain), p.key("many", domain)} {
			if m, was := old[key]; was {
				open[key] = m
			}
		}
	}
	p.tellDeaf(open, deaf)
	return open
}

func (p *planner) key(what, domain string) string {
	return strings.TrimSuffix(p.in.Cluster+"/"+domain, "/") + "/" + what
}

func (p *planner) open(into map[string]matter, what, domain, grade string, n Notice) {
	n.Key, n.Cluster, n.Service = p.key(what, domain), p.in.Cluster, domain
	into[n.Key] = matter{Notice: n, Grade: grade}
}

// tellDeaf tells that engines do not answer.
func (p *planner) tellDeaf(open map[string]matter, deaf int) {
	if deaf == 0 {
		return
	}
	e := p.see("deaf", p.now)
	if p.now.Sub(e.since) < p.policy.DoubtFor {
		return
	}
	for _, t := range p.trials {
		if t.read != nil && t.read.Err != nil {
			p.open(open, "runtime", "", "", Notice{Event: Doubted, Since: e.since,
				Text: fmt.Sprintf("%d services cannot be healed, since their engine does not answer: %v", deaf, t.read.Err)})
			return
		}
	}
}

// tellFew tells that too few are present, once that has lasted, and that it is over once that has.
func (t *trial) tellFew(open, old map[string]matter) {
	key := t.key("few", t.service.Domain)
	was, told := old[key]
	if t.sight.Present >= t.service.Count {
		if told && t.now.Sub(t.see(t.service.Domain+" enough", t.now).since) < t.policy.SettleFor {
			open[key] = was
		}
		return
	}
	if !told && t.now.Sub(t.short) < t.patience() {
		return
	}
	grade := fmt.Sprintf("%d/%d %s", t.sight.Present, t.service.Count, t.record.LastError)
	t.open(open, "few", t.service.Domain, grade, Notice{Event: TooFew, Since: t.short, Text: t.few()})
}

// patience is how long too few are no news: what the engine mends by itself gets its time.
func (t *trial) patience() time.Duration {
	if len(t.sight.Lost) > 0 {
		return t.policy.LostAfter
	}
	if t.observed() {
		o := &t.read.Observation
		if o.Busy != "" || t.service.Run.Swarm != "" && o.Replicas >= t.service.Count {
			return t.policy.LostAfter
		}
	}
	return t.policy.DeficitFor
}

func (t *trial) few() string {
	text := fmt.Sprintf("%s: %d of %d present.", t.service.Domain, t.sight.Present, t.service.Count)
	switch {
	case t.record.Flight != nil:
		text += " Under way: " + t.record.Flight.String() + "."
	case t.refusal != "":
		text += fmt.Sprintf(" Not repaired (%s): %s.", t.gate, t.refusal)
	}
	if len(t.sight.Lost) > 0 {
		text += " Lost: " + strings.Join(t.sight.Lost, ", ") + "."
	}
	if t.record.LastError != "" {
		text += " Last attempt: " + t.record.LastError + "."
	}
	if problems := t.problems(); len(problems) > 0 {
		text += " The engine says: " + strings.Join(problems, "; ") + "."
	}
	return text
}

// tellMany tells that more than wanted are present, which only a person may judge.
func (t *trial) tellMany(open, old map[string]matter) {
	key := t.key("many", t.service.Domain)
	was, told := old[key]
	if t.sight.Present <= t.service.Count {
		if told && t.now.Sub(t.see(t.service.Domain+" no more", t.now).since) < t.policy.SettleFor {
			open[key] = was
		}
		return
	}
	e := t.see(t.service.Domain+" many", t.now)
	wait := t.policy.DeficitFor
	if t.observed() && t.read.Observation.Busy != "" {
		wait = t.policy.LostAfter // an update that starts first has more for a while
	}
	if told || t.now.Sub(e.since) >= wait {
		t.open(open, "many", t.service.Domain, fmt.Sprint(t.sight.Present), Notice{Event: TooMany, Since: e.since,
			Text: fmt.Sprintf("%s: %d present, %d wanted. None is stopped but one of ours that another has taken the place of. Present are: %s.",
				t.service.Domain, t.sight.Present, t.service.Count, t.sight.list())})
	}
}

func (t *trial) gaveUp(what string) string {
	text := fmt.Sprintf("%s: gave up (%s) after %d attempts within %s; it is tried again every %s.",
		t.service.Domain, what, t.policy.Attempts, t.policy.AttemptsIn, t.policy.QuarantineFor)
	if t.record.LastError != "" {
		text += " Last attempt: " + t.record.LastError + "."
	}
	return text
}
