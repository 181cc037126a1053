package notify

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/healer"
)

// believed is how often in a row something must be so: the list of what is open and the notices come by different ways, and either may
// be a moment ahead.
const believed = 2

// agree takes in what is open by those who know. all says that nothing else is open, so that what is not in the list is over; else
// somebody else speaks of it.
func (b *book) agree(open []healer.Notice, all bool, now time.Time) {
	listed, strange := map[string]bool{}, map[string]int{}
	for _, n := range open {
		listed[n.Key] = true
		if _, followed := b.Matters[n.Key]; followed || n.Resolved {
			continue
		}
		if strange[n.Key] = b.strange[n.Key] + 1; strange[n.Key] >= believed {
			delete(strange, n.Key)
			b.follow(&matter{Episode: rand.Text(), Notice: tidy(n), Sent: now, Told: true}, now)
		}
	}
	b.strange = strange
	for _, key := range slices.Sorted(maps.Keys(b.Matters)) {
		m := b.Matters[key]
		if listed[key] || m.Notice.Event == Dropped {
			m.missed = 0
			continue
		}
		if m.missed++; m.missed >= believed {
			b.part(m, all, now)
		}
	}
	b.fit(now)
}

// part ends a matter of which no notice says that it is over.
func (b *book) part(m *matter, over bool, now time.Time) {
	if over {
		n := m.Notice
		n.Resolved, n.Text = true, "Over: "+n.Text
		b.end(m, n, now)
		return
	}
	delete(b.Matters, m.Notice.Key)
	b.edits++
}
