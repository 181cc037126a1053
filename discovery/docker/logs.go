package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	api "github.com/docker/docker/api/types/container"
)

// LogQuery says what of a log is wanted.
type LogQuery struct {
	// Since leaves out what is older; zero for nothing. Tail is how many of the last records are wanted; negative for all.
	Since time.Time
	Tail  int
	// After goes on behind a record that was read before, and outweighs Since and Tail; empty for the beginning.
	After Cursor
	// Follow waits for what comes, over restarts of the container and the engine.
	Follow bool
}

// LogRecord is what a container wrote at once: a line, or a part of one that is longer than the engine keeps in one piece.
type LogRecord struct {
	Time   time.Time
	Stream string // stdout or stderr, or tty for a container with a terminal, which does not tell them apart
	Text   string
	// Partial says that the line goes on in the next record of the stream.
	Partial bool
	// Cursor is the place behind the record.
	Cursor string
}

// longest bounds one record, in bytes. Engines cut lines at 16 KiB; what has no line end on a terminal is cut here.
const longest = 64 << 10

// Logs gives the records of a container in the order in which the engine has them, until there are no more (nil), give returns an error,
// or ctx ends. A log that is followed ends with the container. The engine waits while give does.
func (r *Reader) Logs(ctx context.Context, id string, q LogQuery, give func(LogRecord) error) error {
	at := newReading(q.After)
	for {
		running, err := r.read(ctx, id, q, at, give)
		for waited := time.Duration(0); err == nil && q.Follow && !running && waited < restart; waited += again {
			if running, err = r.runs(ctx, id); !running && err == nil {
				err = pause(ctx, again)
			}
		}
		if err != nil || !q.Follow || !running {
			return err
		}
		if err := pause(ctx, again); err != nil { // the engine was restarted, or the container was and runs again
			return err
		}
		q.After, q.Tail = at.at, -1
		at = newReading(q.After)
	}
}

// again is how soon a log is opened again whose container runs on, and restart how long a container that has ended may take to run again.
const (
	again   = 500 * time.Millisecond
	restart = 5 * time.Second
)

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// runs reports whether a container runs, or is about to. One that is gone does not.
func (r *Reader) runs(ctx context.Context, id string) (bool, error) {
	found, err := r.inspect(ctx, id)
	if errors.Is(err, ErrNoContainer) {
		return false, nil
	}
	return err == nil && (found.State.Running || found.State.Restarting), err
}

// read reads a log until the engine ends it, and reports whether the container runs at that moment.
func (r *Reader) read(ctx context.Context, id string, q LogQuery, at *reading, give func(LogRecord) error) (running bool, err error) {
	found, err := r.inspect(ctx, id)
	if err != nil {
		return false, err
	}
	o := api.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: q.Follow}
	since := q.Since
	switch {
	case len(q.After) > 0:
		since = q.After.since()
	case q.Tail >= 0:
		o.Tail = fmt.Sprint(q.Tail)
	}
	if !since.IsZero() {
		o.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	c, err := r.engine.connect(ctx)
	if err != nil {
		return false, fmt.Errorf("reading logs: %w", err)
	}
	body, err := c.ContainerLogs(ctx, id, o)
	switch {
	case isGone(err):
		return false, fmt.Errorf("%w: %s", ErrNoContainer, id)
	case err != nil && strings.Contains(err.Error(), "logging driver"):
		return false, fmt.Errorf("%w: %w", ErrUnreadable, err)
	case err != nil:
		return false, fmt.Errorf("reading logs: %w", Advised(err))
	}
	defer body.Close()
	accept := func(rec LogRecord) error {
		if !at.passes(rec) {
			return nil
		}
		rec.Cursor = at.at.String()
		return give(rec)
	}
	if found.Config.Tty {
		err = readLines(body, accept)
	} else {
		err = readFrames(body, accept)
	}
	if err != nil || ctx.Err() != nil {
		return false, errors.Join(err, ctx.Err())
	}
	return r.runs(ctx, id)
}

// readFrames reads the records of a container without a terminal: each has a head of eight bytes, the stream first and the length in the
// last four, big-endian (Docker Engine API, "Attach to a container").
func readFrames(body io.Reader, give func(LogRecord) error) error {
	in := bufio.NewReaderSize(body, longest)
	var head [8]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return atEnd(err)
		}
		size := binary.BigEndian.Uint32(head[4:])
		stream := stdout
		switch head[0] {
		case 0, 1:
		case 2:
			stream = stderr
		default:
			return fmt.Errorf("the engine's log has a record of an unknown stream %d", head[0])
		}
		if size > 16*longest {
			return fmt.Errorf("the engine's log has a record of %d bytes", size)
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(in, text); err != nil {
			return atEnd(err)
		}
		when, rest, err := stamped(string(text))
		if err != nil {
			return err
		}
		line, whole := strings.CutSuffix(rest, "\n")
		if err := give(LogRecord{Time: when, Stream: stream, Text: line, Partial: !whole}); err != nil {
			return err
		}
	}
}

// readLines reads the records of a container with a terminal, which are lines. What is longer than the longest comes in parts, of which
// the first has the time.
func readLines(body io.Reader, give func(LogRecord) error) error {
	in := bufio.NewReaderSize(body, longest)
	var when time.Time
	goesOn := false
	for {
		read, err := in.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full {
			return atEnd(err) // a line that is cut short is read again by whoever resumes
		}
		text := string(read)
		if !goesOn {
			var failed error
			if when, text, failed = stamped(text); failed != nil {
				return failed
			}
		}
		if err := give(LogRecord{Time: when, Stream: terminal, Text: strings.TrimRight(text, "\r\n"), Partial: full}); err != nil {
			return err
		}
		goesOn = full
	}
}

// stamped parts the time from a record.
func stamped(record string) (when time.Time, text string, err error) {
	stamp, text, _ := strings.Cut(record, " ")
	when, err = time.Parse(time.RFC3339Nano, strings.TrimRight(stamp, "\r\n"))
	if err != nil {
		return when, "", fmt.Errorf("a record of the engine's log begins with no time: %.40q", record)
	}
	return when, text, nil
}

// atEnd takes the end of a log for no error, also in the middle of a record: an engine that is stopped ends it so.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return fmt.Errorf("reading logs: %w", err)
}
