package discovery

import (
	"fmt"
	"time"
)

// massRule says when vanishing instances are a mass, and for how long one is held.
type massRule struct {
	window time.Duration
	min    int
	hold   time.Duration
}

// departure is a present instance that left its source's answer, remembered for the length of the window.
type departure struct {
	at       time.Time
	service  string
	instance *Instance
	// present counts the instances of the cluster and of the instance's node just before.
	present, onNode int
	// settled departures are known to be honest (nothing accepts connections there any more, or an operator said so), or have
	// happened again since: they neither count nor are held.
	settled bool
}

// mass is one event of instances vanishing together that is not believed yet.
type mass struct {
	node         string // empty for one of the whole cluster
	since, until time.Time
	gone, of     int // how many vanished, of how many present ones
	held         int // how many of them are held still
	window       time.Duration
}

// doubt is the mass as operators see it.
func (m *mass) doubt(cluster string) Doubt {
	scope := "cluster " + cluster
	if m.node != "" {
		scope = "node " + m.node
	}
	return Doubt{
		Kind:   MassDoubt,
		Reason: fmt.Sprintf("%d of %d present instances of %s vanished within %s", m.gone, m.of, scope, m.window),
		Since:  m.since,
		Until:  m.until,
	}
}

// note is what a held instance of the mass carries in its Held.
func (m *mass) note() string {
	return fmt.Sprintf("vanished in a mass at %s; kept while it accepts connections, until %s at the latest", stamp(m.since), stamp(m.until))
}

// stamp writes a time for operators.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// hold is an instance kept although it vanished. Its instance is a copy with Held set.
type hold struct {
	service  string
	instance Instance
	mass     *mass
	probe    time.Time // when it is due to be probed
}

// depart puts the instances that just vanished in the window and holds what is a mass by it: of the whole cluster, or of a node that
// lost instances now. It returns the services whose instances are held.
func (l *ledger) depart(now time.Time, gone []departure) []string {
	if len(gone) == 0 {
		return nil
	}
	l.remember(now, gone)
	scopes := []string{""}
	seen := map[string]bool{"": true}
	for _, d := range gone {
		if !seen[d.instance.Node] {
			seen[d.instance.Node] = true
			scopes = append(scopes, d.instance.Node)
		}
	}
	var dirty []string
	for _, node := range scopes {
		if gone, of := l.tally(node); len(gone) >= l.rule.min && 2*len(gone) >= of {
			dirty = append(dirty, l.holdAll(now, node, gone, of)...)
		}
	}
	return dirty
}

// remember adds to the window and forgets what has left it.
func (l *ledger) remember(now time.Time, gone []departure) {
	again := map[string]bool{}
	for _, d := range gone {
		again[d.instance.ID] = true
	}
	kept := l.window[:0]
	for _, d := range l.window {
		if now.Sub(d.at) <= l.rule.window {
			d.settled = d.settled || again[d.instance.ID]
			kept = append(kept, d)
		}
	}
	clear(l.window[len(kept):])
	l.window = append(kept, gone...)
}

// tally returns what vanished in the window and has not returned, of a node or (empty) of the cluster, and how many instances
// were present there before the first of the window vanished.
func (l *ledger) tally(node string) (gone []departure, of int) {
	for _, d := range l.window {
		if node != "" && d.instance.Node != node {
			continue
		}
		if of == 0 && node == "" {
			of = d.present
		} else if of == 0 {
			of = d.onNode
		}
		if !d.settled && l.ids[d.instance.ID] == 0 {
			gone = append(gone, d)
		}
	}
	return gone, of
}

// holdAll keeps those of gone that are not held already, as part of the mass that the window has seen begin, or of a new one.
func (l *ledger) holdAll(now time.Time, node string, gone []departure, of int) []string {
	m := &mass{node: node, since: now, until: now.Add(l.rule.hold), of: of, window: l.rule.window}
	var free []departure
	for _, d := range gone {
		h := l.holds[d.instance.ID]
		if h == nil {
			free = append(free, d)
		} else if h.mass.node == node {
			m = h.mass
		}
	}
	if len(free) == 0 {
		return nil
	}
	if m.held == 0 {
		l.masses = append(l.masses, m)
	}
	m.gone = max(len(gone), m.gone+len(free))
	dirty := make([]string, 0, len(free))
	for _, d := range free {
		l.keep(d.service, *d.instance, m, now)
		dirty = append(dirty, d.service)
	}
	l.share(m, free)
	return dirty
}

// keep holds one instance of a service as part of a mass, to be probed at once.
func (l *ledger) keep(service string, i Instance, m *mass, now time.Time) {
	i.Held = m.note()
	h := &hold{service: service, instance: i, mass: m, probe: now}
	m.held++
	l.holds[i.ID] = h
	if l.held[service] == nil {
		l.held[service] = map[string]*hold{}
	}
	l.held[service][i.ID] = h
}
