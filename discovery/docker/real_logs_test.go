package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"

	realengine "github.com/fairlead/fairlead/tools/engine"
)

// says is a container on the real engine that writes something, and a reader of its log.
type says struct {
	*realengine.Real
	reader *Reader
	image  string
}

func newSays(t *testing.T) *says {
	t.Helper()
	real := realengine.NewReal(t)
	image := real.Image(t, "sleep")
	real.Clean(t, "test="+real.Suffix)
	reader, err := NewReader(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	return &says{real, reader, image}
}

func (s *says) start(t *testing.T, tty bool, logs api.LogConfig, words ...string) string {
	t.Helper()
	made, err := s.ContainerCreate(t.Context(), &api.Config{Image: s.image, Cmd: words, Tty: tty, Labels: map[string]string{"test": s.Suffix}},
		&api.HostConfig{LogConfig: logs}, nil, nil, "")
	if err == nil {
		err = s.ContainerStart(t.Context(), made.ID, api.StartOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

var errEnough = errors.New("enough")

// numbers reads on from a cursor until so many records are there, and checks that they count on from the number expected, stream by
// stream: records of two streams may be mixed up.
func (s *says) numbers(t *testing.T, id string, next map[int]int, after string, count int) (cursor string) {
	t.Helper()
	at, err := ParseCursor(after)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = s.reader.Logs(ctx, id, LogQuery{Tail: -1, After: at, Follow: true}, func(r LogRecord) error {
		var n int
		if _, err := fmt.Sscan(r.Text, &n); err != nil {
			t.Errorf("a record says %q", r.Text)
		}
		class := n % 3
		if want := next[class]; n != want {
			t.Errorf("after %s there is %d, want %d", after, n, want)
		}
		next[class] = n + 3
		if r.Stream != terminal && (r.Stream == stderr) != (class == 2) {
			t.Errorf("%d was written to %s", n, r.Stream)
		}
		cursor = r.Cursor
		if count--; count == 0 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("the log ended: %v", err)
	}
	return cursor
}

// TestRealLogs follows containers with and without a terminal, is cut off again and again, and goes on each time where it was: over a
// change of the log's file, too.
func TestRealLogs(t *testing.T) {
	s := newSays(t)
	small := api.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "64k", "max-file": "5"}}
	for _, tty := range []bool{false, true} {
		id := s.start(t, tty, small, "count", "1ms")
		next, cursor := map[int]int{0: 0, 1: 1, 2: 2}, ""
		for _, count := range []int{1, 2, 3, 50, 500, 1000, 7} {
			cursor = s.numbers(t, id, next, cursor, count)
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// TestRealLogsEnd: a log that is not followed ends by itself, and one that is followed ends with its container.
func TestRealLogsEnd(t *testing.T) {
	s := newSays(t)
	id := s.start(t, false, api.LogConfig{}, "count", "10ms")
	s.numbers(t, id, map[int]int{0: 0, 1: 1, 2: 2}, "", 10)
	read := func(q LogQuery) (n int) {
		if err := s.reader.Logs(t.Context(), id, q, func(LogRecord) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := read(LogQuery{Tail: -1}); n < 10 {
		t.Errorf("read %d records", n)
	}
	if n := read(LogQuery{Tail: 3}); n != 3 {
		t.Errorf("read %d of the last 3 records", n)
	}
	if n := read(LogQuery{Tail: -1, Since: time.Now().Add(time.Hour)}); n != 0 {
		t.Errorf("read %d records of the future", n)
	}
	followed := 0
	err := s.reader.Logs(t.Context(), id, LogQuery{Tail: 0, Follow: true}, func(LogRecord) error {
		if followed++; followed == 5 {
			return s.ContainerKill(t.Context(), id, "KILL")
		}
		return nil
	})
	if err != nil || followed < 5 {
		t.Errorf("read %d records until it was killed: %v", followed, err)
	}
	if err := s.reader.Logs(t.Context(), strings.Repeat("0", 64), LogQuery{Tail: -1}, nil); !errors.Is(err, ErrNoContainer) {
		t.Errorf("the log of nobody: %v", err)
	}
	mute := s.start(t, false, api.LogConfig{Type: "none"}, "count", "10ms")
	if err := s.reader.Logs(t.Context(), mute, LogQuery{Tail: -1, Follow: true}, nil); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a log that goes nowhere: %v", err)
	}
}

// TestRealLogsOverARestart: the same followed log goes on when its container is restarted.
func TestRealLogsOverARestart(t *testing.T) {
	s := newSays(t)
	id := s.start(t, false, api.LogConfig{}, "count", "20ms")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	starts := 0
	err := s.reader.Logs(ctx, id, LogQuery{Tail: -1, Follow: true}, func(r LogRecord) error {
		if strings.TrimSpace(r.Text) != "0" {
			return nil
		}
		if starts++; starts == 2 {
			return errEnough
		}
		timeout := 1
		go func() { _ = s.ContainerRestart(ctx, id, api.StopOptions{Timeout: &timeout}) }()
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("%d starts seen: %v", starts, err)
	}
}

func TestRealStats(t *testing.T) {
	s := newSays(t)
	busy, idle := s.start(t, false, api.LogConfig{Type: "none"}, "flood"), s.start(t, false, api.LogConfig{}, "sleep")
	read := func(id string, follow bool, count int) (last Stats) {
		err := s.reader.Stats(t.Context(), id, follow, func(s Stats) error {
			last = s
			if count--; count == 0 {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		return last
	}
	one := read(busy, true, 2)
	if one.CPUPercent < 1 || one.CPUPercent > 400 || one.Memory == 0 || one.Limit == 0 || one.Time.IsZero() {
		t.Errorf("a busy container uses %+v", one)
	}
	if two := read(idle, false, 1); two.CPUPercent > one.CPUPercent || two.Memory == 0 {
		t.Errorf("an idle container uses %+v", two)
	}
	timeout := 0
	if err := s.ContainerStop(t.Context(), idle, api.StopOptions{Timeout: &timeout}); err != nil {
		t.Fatal(err)
	}
	if err := s.reader.Stats(t.Context(), idle, false, nil); !errors.Is(err, ErrNoContainer) {
		t.Errorf("a container that does not run: %v", err)
	}
}
