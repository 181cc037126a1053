package docker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// frame is a record as an engine sends it.
func frame(stream byte, text string) string {
	head := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head) + text
}

func stamp(nano int) string { return fmt.Sprintf("2026-03-01T12:00:00.%09dZ ", nano) }

func collect(to *[]string) func(LogRecord) error {
	return func(r LogRecord) error {
		text := fmt.Sprintf("%s %d %.20q", r.Stream, r.Time.Nanosecond(), r.Text)
		if r.Partial {
			text += " …"
		}
		*to = append(*to, text)
		return nil
	}
}

func TestReadFrames(t *testing.T) {
	var got []string
	in := frame(1, stamp(1)+"one\n") + frame(2, stamp(2)+"two\n") + frame(1, stamp(3)+"par") + frame(1, stamp(3)+"tial\n") + frame(1, stamp(4)+"\n") + frame(1, stamp(5)+"cut short")[:20]
	if err := readFrames(strings.NewReader(in), collect(&got)); err != nil {
		t.Fatal(err)
	}
	want := `stdout 1 "one", stderr 2 "two", stdout 3 "par" …, stdout 3 "tial", stdout 4 ""`
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s", strings.Join(got, ", "))
	}
	for _, bad := range []string{frame(9, stamp(1)+"x"), frame(1, "no time\n"), "\x01\x00\x00\x00\xff\xff\xff\xff"} {
		if err := readFrames(strings.NewReader(bad), collect(&got)); err == nil {
			t.Errorf("%.20q is taken for a log", bad)
		}
	}
}

func TestReadLines(t *testing.T) {
	var got []string
	long := strings.Repeat("x", longest+100)
	in := stamp(1) + "one\r\n" + stamp(2) + "\x1b[31mred\x1b[0m\r\n" + stamp(3) + long + "\r\n" + stamp(4) + "cut"
	if err := readLines(strings.NewReader(in), collect(&got)); err != nil {
		t.Fatal(err)
	}
	want := []string{`tty 1 "one"`, `tty 2 "\x1b[31mred\x1b[0m"`, fmt.Sprintf("tty 3 %.20q …", long), fmt.Sprintf("tty 3 %.20q", long)}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q", got)
	}
}

// Whatever record a reader was cut off behind, it gets the rest, and none twice, although both streams' times are mixed up and equal.
func TestResumingAnywhere(t *testing.T) {
	type line struct {
		stream string
		nano   int64
	}
	all := []line{{stdout, 10}, {stderr, 12}, {stdout, 11}, {stdout, 11}, {stderr, 12}, {stdout, 13}, {stdout, 13}, {stderr, 20}, {stdout, 19}}
	for cut := range len(all) + 1 {
		first := newReading(Cursor{})
		for i, l := range all[:cut] {
			if !first.passes(LogRecord{Stream: l.stream, Text: fmt.Sprint(i), Time: time.Unix(0, l.nano)}) {
				t.Fatalf("%v does not pass at first", l)
			}
		}
		at, err := ParseCursor(first.at.String())
		if err != nil {
			t.Fatal(err)
		}
		second, passed := newReading(at), 0
		for i, l := range all {
			if l.nano < at.since().UnixNano() && !at.since().IsZero() {
				continue
			}
			if pass := second.passes(LogRecord{Stream: l.stream, Text: fmt.Sprint(i), Time: time.Unix(0, l.nano)}); pass != (i >= cut) {
				t.Errorf("cut at %d: record %d passes: %t", cut, i, pass)
			} else if pass {
				passed++
			}
		}
		if passed != len(all)-cut {
			t.Errorf("cut at %d: %d pass, want %d", cut, passed, len(all)-cut)
		}
	}
}

// An engine that changes the log's file gives some records a second time; a clock that is set back does not.
func TestRepeatsAreLeftOut(t *testing.T) {
	r, got := newReading(Cursor{}), ""
	for _, rec := range []struct {
		nano int64
		text string
	}{{100e9, "a"}, {101e9, "b"}, {102e9, "c"}, {101e9, "b"}, {102e9, "c"}, {103e9, "d"}, {103e9, "d"}, {103e9, "D"}, {104e9, "x…"}, {104e9, "x…"}, {50e9, "e"}, {51e9, "f"}} {
		partial := strings.HasSuffix(rec.text, "…")
		if r.passes(LogRecord{Stream: stdout, Text: rec.text, Time: time.Unix(0, rec.nano), Partial: partial}) {
			got += rec.text
		}
	}
	if got != "abcdDx…x…ef" {
		t.Errorf("passed %s", got)
	}
}

func TestParseCursor(t *testing.T) {
	for _, bad := range []string{"x", "stdout.1", "stdin.1.1", "stdout.1.x", "stdout.-1.1", "stdout.1.1-"} {
		if _, err := ParseCursor(bad); err == nil {
			t.Errorf("%q is taken for a cursor", bad)
		}
	}
	const good = "stdout.1772366400123456789.1-stderr.1772366400123456790.2"
	if c, err := ParseCursor(good); err != nil || c.String() != good {
		t.Errorf("%v, %v", c, err)
	}
	if since := (Cursor{stdout: {20e9, 1}, stderr: {5e9, 1}}).since(); since.UnixNano() != 10e9 {
		t.Errorf("since %d", since.UnixNano())
	}
	if since := (Cursor{terminal: {20e9, 1}}).since(); since.UnixNano() != 20e9 {
		t.Errorf("since %d of a terminal", since.UnixNano())
	}
	if !(Cursor{}).since().IsZero() {
		t.Error("the beginning is not the beginning")
	}
}

func FuzzReadLogs(f *testing.F) {
	f.Add([]byte(frame(1, stamp(1)+"one\n")))
	f.Add([]byte(stamp(1) + "one\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, read := range []func() error{
			func() error { return readFrames(bytes.NewReader(in), func(LogRecord) error { return nil }) },
			func() error { return readLines(bytes.NewReader(in), func(LogRecord) error { return nil }) },
		} {
			if err := read(); err != nil && strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
		}
		if c, err := ParseCursor(string(in)); err == nil {
			if again, err := ParseCursor(c.String()); err != nil || again.String() != c.String() {
				t.Errorf("%s is read as %v, %v", c, again, err)
			}
		}
	})
}
