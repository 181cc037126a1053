package lane

import (
	"math/rand/v2"
	"testing"
	"time"
)

// model is a wheel as simple as can be: when which timer is due.
type model map[*timer]time.Duration

// wheelTest plays what data says with a wheel and a model side by side: timers are set, moved, forgotten (due = 0) and taken out, while time
// goes on by little and by much.
type wheelTest struct {
	t      *testing.T
	wheel  wheel
	now    time.Duration // since the wheel's start
	timers [8]timer
	due    model
}

func (w *wheelTest) clock() time.Time { return w.wheel.start.Add(w.now) }

func (w *wheelTest) set(t *timer, d time.Duration) {
	w.wheel.set(t, w.clock(), d)
	w.due[t] = w.now + d
}

// pass lets time go on and looks who is due. A timer that has fired may be set again at once, as loops do.
func (w *wheelTest) pass(d, again time.Duration) {
	w.now += d
	var back []*timer
	for fired := w.wheel.turn(w.clock()); fired != nil; fired = w.wheel.turn(w.clock()) {
		due, set := w.due[fired]
		switch {
		case !set:
			w.t.Fatalf("at %s a timer fires that was forgotten or taken out", w.now)
		case due > w.now:
			w.t.Fatalf("at %s a timer fires that is due at %s", w.now, due)
		case fired.slot != 0:
			w.t.Fatalf("at %s a timer fires and stays in the wheel", w.now)
		}
		delete(w.due, fired)
		if again > 0 && len(back) < len(w.timers) {
			back = append(back, fired)
			w.set(fired, again)
		}
	}
	for _, due := range w.due {
		if due+tick <= w.now {
			w.t.Fatalf("at %s a timer has not fired that was due at %s", w.now, due)
		}
	}
	w.wait()
}

// wait checks that a loop which sleeps as long as the wheel says misses nothing by more than a tick, and does not sleep for nothing.
func (w *wheelTest) wait() {
	wait := w.wheel.wait(w.clock())
	if wait < 0 || wait > time.Second {
		w.t.Fatalf("at %s the wheel would be left for %s", w.now, wait)
	}
	for _, due := range w.due {
		if w.now+wait > due+tick {
			w.t.Fatalf("at %s the wheel would be left for %s, but a timer is due at %s", w.now, wait, due)
		}
	}
	used := false
	for i := range w.timers {
		used = used || w.timers[i].slot != 0
	}
	if !used && wait != time.Second {
		w.t.Fatalf("at %s an empty wheel would be left for %s", w.now, wait)
	}
}

// play takes three bytes for each step.
func (w *wheelTest) play(data []byte) {
	w.due = model{}
	w.wheel.start = time.Unix(1_700_000_000, 0)
	w.now = time.Nanosecond // the wheel knows no timer that is due at its very start
	for ; len(data) >= 3; data = data[3:] {
		t, size := &w.timers[data[0]>>3&7], time.Duration(data[1])<<8|time.Duration(data[2])
		switch data[0] & 7 {
		case 0, 1: // for up to 65 s, several turns of the wheel
			w.set(t, size*time.Millisecond)
		case 2: // for up to 65 ms
			w.set(t, size*time.Microsecond)
		case 3: // forgotten, as a guest does while others wait for it
			t.due = 0
			delete(w.due, t)
		case 4:
			w.wheel.remove(t)
			delete(w.due, t)
		case 5:
			w.pass(size*time.Microsecond, 0)
		case 6:
			w.pass(size*time.Millisecond, size*time.Microsecond)
		case 7: // as a loop would, if nothing else happened
			w.pass(w.wheel.wait(w.clock()), 0)
		}
	}
	w.pass(time.Minute+10*time.Second, 0)
	if len(w.due) > 0 || w.wheel.used != [spokes / 64]uint64{} {
		w.t.Fatalf("in the end there are %d timers, and the slots used are %x", len(w.due), w.wheel.used)
	}
}

func FuzzWheel(f *testing.F) {
	f.Add([]byte{0, 0, 100, 5, 0x10, 0, 7, 0, 0})
	f.Add([]byte{0, 0xff, 0xff, 8, 0, 50, 0, 0, 10, 7, 0, 0, 7, 0, 0, 6, 0x7f, 0})
	f.Add([]byte{2, 0, 0, 3, 0, 0, 6, 0, 30, 2, 0, 1, 4, 0, 0, 5, 1, 1})
	random := rand.NewChaCha8([32]byte{})
	for range 50 {
		data := make([]byte, 3000)
		random.Read(data)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { (&wheelTest{t: t}).play(data) })
}
