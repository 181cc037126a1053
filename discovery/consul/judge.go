package consul

import (
	"github.com/fairlead/fairlead/discovery"
)

// verdict is what to make of a complete, unfiltered answer with a leader.
type verdict uint8

const (
	// believe: nothing present vanished.
	believe verdict = iota
	// confirm: present instances vanished and the index rose; others must agree.
	confirm
	// unrisen: present instances vanished and the index did not rise. That is no deregistration: lost ACL rights answer so.
	unrisen
	// fallen: the index is below the one held. The watch starts again, and the next answer is a new beginning.
	fallen
)

// judge compares an answer with what is held. It is pure.
//
// Seen on Consul 1.19: a token that lost its rights gets [] with the same index, and a consistent read repeats it; a service whose
// last instance was deregistered gets [] with a higher index. A Consul that was rebuilt or restored has lower ones: that is
// doubted once, since then only the list of names and a consistent read are left to ask.
func judge(held holding, index uint64, next *discovery.Service) verdict {
	if held.service == nil {
		return believe
	}
	if index < held.index && !held.fell {
		return fallen
	}
	if len(vanished(held.service, next)) == 0 {
		return believe
	}
	if !held.risen(index) {
		return unrisen
	}
	return confirm
}

// risen reports whether an answer is newer than the one held by its index: it is higher, or lower for the second time.
func (h holding) risen(index uint64) bool {
	return index > h.index || index < h.index && h.fell
}

// vanished returns the IDs of the present instances that next lacks. Instances that were critical vanish without doubt.
func vanished(held, next *discovery.Service) []string {
	var out []string
	j := 0
	for i := range held.Instances {
		was := &held.Instances[i]
		for j < len(next.Instances) && next.Instances[j].ID < was.ID {
			j++
		}
		if j < len(next.Instances) && next.Instances[j].ID == was.ID {
			continue
		}
		if was.Present() {
			out = append(out, was.ID)
		}
	}
	return out
}
