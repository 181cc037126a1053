package discovery

import (
	"maps"
	"slices"
	"time"
)

// Several services may well stand at one address and port, as those of one web server do. When some of them are held, those that are
// still vouched for have not taken the place from them: they had it in common. What has come to the place since has.

// greet notes who is new at their address and port, for the length of the window.
func (l *ledger) greet(now time.Time, changes []change) {
	maps.DeleteFunc(l.came, func(_ string, at time.Time) bool { return now.Sub(at) > l.rule.window })
	for _, c := range changes {
		was := instances(c.was)
		for i := range instances(c.is) {
			is := &c.is.Instances[i]
			n := slices.IndexFunc(was, func(w Instance) bool { return w.ID == is.ID })
			if n < 0 || was[n].Address != is.Address || was[n].Port != is.Port {
				l.came[is.ID] = now
			}
		}
	}
}

// share notes who has their address and port in common with those of a mass, and had it before these went.
func (l *ledger) share(m *mass, gone []departure) {
	places := map[string]bool{}
	for _, d := range gone {
		places[d.instance.HostPort()] = true
	}
	note := m.note()
	next := maps.Clone(l.shared)
	for _, s := range l.plain {
		for n := range s.Instances {
			i := &s.Instances[n]
			_, newcomer := l.came[i.ID]
			if newcomer || !places[i.HostPort()] {
				continue
			}
			with := *i
			with.Held = note
			next[i.ID] = append(slices.Clip(next[i.ID]), &with)
		}
	}
	l.shared = next
}

// unshare forgets what was noted for a mass.
func (l *ledger) unshare(m *mass) {
	note := m.note()
	next := map[string][]*Instance{}
	for id, all := range l.shared {
		kept := slices.DeleteFunc(slices.Clone(all), func(i *Instance) bool { return i.Held == note })
		if len(kept) > 0 {
			next[id] = kept
		}
	}
	l.shared = next
}
