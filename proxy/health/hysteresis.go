package health

// Hysteresis keeps a state from following every single result: it falls after so many failures in a row, and rises after so many
// successes in a row. The zero value is up and unproven, and the first result decides alone, as HAProxy does it: a member nobody
// has asked yet is served, but one failure is enough to stop that.
//
// It is a value: Next returns the state after a result and leaves the old one as it is.
type Hysteresis struct {
	proven bool
	down   bool
	streak int // results in a row that contradict the state
}

// Unproven returns the state of something that was down and is now asked in another way: the first result decides.
func Unproven(down bool) Hysteresis { return Hysteresis{down: down} }

// Down reports whether the state is down.
func (h Hysteresis) Down() bool { return h.down }

// Proven reports whether the state rests on a result.
func (h Hysteresis) Proven() bool { return h.proven }

// Next returns the state after one more result. rise and fall below 1 count as 1.
func (h Hysteresis) Next(ok bool, rise, fall int) Hysteresis {
	if !h.proven {
		return Hysteresis{proven: true, down: !ok}
	}
	if ok != h.down {
		h.streak = 0
		return h
	}
	h.streak++
	enough := fall
	if h.down {
		enough = rise
	}
	if h.streak >= enough {
		return Hysteresis{proven: true, down: !h.down}
	}
	return h
}
