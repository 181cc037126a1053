package pool

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// groupsOf sorts members into priority groups, highest first; within a group they keep their order.
func groupsOf(members []*Member) []*Group {
	byPriority := map[int]*Group{}
	var groups []*Group
	for _, m := range members {
		g := byPriority[m.Priority]
		if g == nil {
			g = &Group{Priority: m.Priority}
			byPriority[m.Priority] = g
			groups = append(groups, g)
		}
		g.Members = append(g.Members, m)
	}
	slices.SortFunc(groups, func(a, b *Group) int { return cmp.Compare(b.Priority, a.Priority) })
	return groups
}

// up returns the members of the group that are active.
func (g *Group) up() []*Member {
	var up []*Member
	for _, m := range g.Members {
		if m.State == Active {
			up = append(up, m)
		}
	}
	return up
}

// lineups returns for every group the members that are up in it and in those above. A group with nobody up shares the lineup of
// the one above.
func lineups(groups []*Group) []*Lineup {
	lines := make([]*Lineup, 0, len(groups))
	var members []*Member
	for k, g := range groups {
		up := g.up()
		if k > 0 && len(up) == 0 {
			lines = append(lines, lines[k-1])
			continue
		}
		members = append(slices.Clip(members), up...)
		lines = append(lines, newLineup(members))
	}
	return lines
}

// join decides how many groups take traffic, by F5's rule of priority group activation: a group stays, and the next lower one joins
// it, while those above together have fewer than minActive members up. joined is the index of the last one, -1 if nobody is up.
func join(groups []*Group, minActive int) (joined int, why string) {
	var told []string
	up := 0
	for k, g := range groups {
		up += g.Up
		told = append(told, fmt.Sprintf("priority %d has %d of %d up", g.Priority, g.Up, len(g.Members)))
		joined = k
		if up >= minActive {
			break
		}
	}
	why = strings.Join(told, ", ")
	switch {
	case len(groups) == 0:
		return -1, "the service has no instances"
	case up == 0:
		return -1, why + ": nobody is up"
	case up < minActive:
		return joined, fmt.Sprintf("%s: fewer than min active %d in all, so every group takes part", why, minActive)
	case joined > 0:
		return joined, fmt.Sprintf("%s: lower groups join until min active %d is reached", why, minActive)
	}
	return joined, fmt.Sprintf("%s, and min active is %d", why, minActive)
}
