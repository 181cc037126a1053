package docker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The streams of a container, as records name them. One with a terminal has only that.
const (
	stdout   = "stdout"
	stderr   = "stderr"
	terminal = "tty"
)

// Cursor is a place in a container's log: for each stream the time of the last record read, and how many of that time were. The engine
// stamps each stream by itself, so that only within one of them times rise.
type Cursor map[string]spot

type spot struct {
	nano int64 // Unix time
	seen int
}

// ParseCursor reads what Cursor.String wrote; an empty text is the beginning.
func ParseCursor(text string) (Cursor, error) {
	c := Cursor{}
	if text == "" {
		return c, nil
	}
	for part := range strings.SplitSeq(text, "-") {
		fields := strings.Split(part, ".")
		if len(fields) != 3 || !slices.Contains([]string{stdout, stderr, terminal}, fields[0]) {
			return nil, fmt.Errorf("%q is no place in a log: give the cursor of a record", text)
		}
		nano, err := strconv.ParseInt(fields[1], 10, 64)
		seen, err2 := strconv.Atoi(fields[2])
		if err != nil || err2 != nil || nano < 0 || seen < 0 {
			return nil, fmt.Errorf("%q is no place in a log: give the cursor of a record", text)
		}
		c[fields[0]] = spot{nano, seen}
	}
	return c, nil
}

// String writes the cursor in letters, digits, dots and dashes.
func (c Cursor) String() string {
	var parts []string
	for _, stream := range []string{stdout, stderr, terminal} {
		if m, read := c[stream]; read {
			parts = append(parts, fmt.Sprintf("%s.%d.%d", stream, m.nano, m.seen))
		}
	}
	return strings.Join(parts, "-")
}

// overlap is how far back one stream is read again, on resuming, from the last record of another: the engine writes the records of two
// streams in an order that differs from their times by moments.
const overlap = 10 * time.Second

// since is from when the engine must be asked to go on at the cursor; zero for from the beginning.
func (c Cursor) since() time.Time {
	first, last := int64(0), int64(0)
	for _, m := range c {
		if first == 0 || m.nano < first {
			first = m.nano
		}
		last = max(last, m.nano)
	}
	if last == 0 {
		return time.Time{}
	}
	if len(c) < 2 && c[terminal] == (spot{}) {
		first = 0 // the other stream has said nothing yet
	}
	return time.Unix(0, max(first, last-int64(overlap)))
}

// reading is a log being read from a cursor on.
type reading struct {
	from, at Cursor
	again    map[string]int       // records of the cursor's own times, by stream
	last     map[string]LogRecord // by stream
}

func newReading(from Cursor) *reading {
	at := Cursor{}
	for stream, m := range from {
		at[stream] = m
	}
	return &reading{from: from, at: at, again: map[string]int{}, last: map[string]LogRecord{}}
}

// passes reports whether a record is new, and moves on if it is. An engine that changes a log's file gives some of its last records a
// second time, as seen on 20.10: what is a little older than the last record is one of them, or what is the same, to the nanosecond, and
// does not go on with a line; what is much older was written after the clock was set back.
func (r *reading) passes(rec LogRecord) bool {
	stream, nano := rec.Stream, rec.Time.UnixNano()
	if from, resumed := r.from[stream]; resumed {
		if nano == from.nano {
			r.again[stream]++
		}
		if nano < from.nano || nano == from.nano && r.again[stream] <= from.seen {
			return false
		}
	}
	m := r.at[stream]
	if nano < m.nano && m.nano-nano < int64(overlap) {
		return false
	}
	last, known := r.last[stream]
	if known && nano == m.nano && rec.Text == last.Text && !last.Partial {
		return false
	}
	r.last[stream] = rec
	if m.nano != nano {
		m = spot{nano: nano}
	}
	m.seen++
	r.at[stream] = m
	return true
}
