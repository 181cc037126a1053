package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// format writes what a stream consists of: lines of JSON, or server-sent events (HTML Living Standard, §9.2).
type format struct{ events bool }

func formatOf(r *http.Request) format {
	return format{strings.Contains(r.Header.Get("Accept"), "text/event-stream")}
}

func (f format) contentType() string {
	if f.events {
		return "text/event-stream"
	}
	return "application/x-ndjson"
}

// append adds one message to a batch. id is where a reader goes on that was cut off; empty for none.
func (f format) append(batch *bytes.Buffer, event, id string, message any) {
	text, err := json.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("messages of streams are plain data: %v", err))
	}
	if !f.events {
		batch.Write(text)
		batch.WriteByte('\n')
		return
	}
	if id != "" {
		fmt.Fprintf(batch, "id: %s\n", id)
	}
	fmt.Fprintf(batch, "event: %s\ndata: %s\n\n", event, text)
}

// heartbeat is a message without content.
func (f format) heartbeat() []byte {
	if f.events {
		return []byte(":\n\n")
	}
	return []byte("\n")
}

// enter takes one of the places for viewers, or answers that there is none.
func (d *Door) enter(w http.ResponseWriter) (leave func(), ok bool) {
	select {
	case d.room <- struct{}{}:
		d.counts.viewers.Add(1)
		return func() { d.counts.viewers.Add(-1); <-d.room }, true
	default:
		d.counts.turned.Add(1)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d viewers read here, and no more may", d.Viewers), "try again later, or raise max_viewers")
		return nil, false
	}
}

// admit finds the container that a viewer asks for and takes the viewer in, or answers why not.
func (d *Door) admit(w http.ResponseWriter, r *http.Request) (c listed, leave func(), ok bool) {
	c, err := d.find(r)
	if err != nil {
		d.fail(w, err)
		return c, nil, false
	}
	leave, ok = d.enter(w)
	return c, leave, ok
}

// opening is how long an answer waits for a first item: what cannot be read at all is told by the status until then.
const opening = 500 * time.Millisecond

// stream sends what read gives to a viewer until it ends or the viewer is gone. read runs beside it and is never kept waiting by the
// viewer, but as its ring says.
func stream[T any](d *Door, w http.ResponseWriter, r *http.Request, items *ring[T], read func(context.Context) error,
	message func(format, *bytes.Buffer, T)) {
	ctx, cancel := context.WithCancel(r.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		items.end(read(ctx))
	}()
	defer func() { cancel(); <-ended }()
	f, out := formatOf(r), http.NewResponseController(w)
	beat := time.NewTicker(d.Heartbeat)
	defer beat.Stop()
	first := time.NewTimer(opening)
	defer first.Stop()
	begun := false
	send := func(batch []byte) error {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", f.contentType())
			w.Header().Set("X-Accel-Buffering", "no")
		}
		_ = out.SetWriteDeadline(time.Now().Add(d.Stall)) // every server of ours can
		if _, err := w.Write(batch); err != nil {
			return err
		}
		return out.Flush()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-first.C:
			if !begun && send(f.heartbeat()) != nil {
				return
			}
			continue
		case <-beat.C:
			if send(f.heartbeat()) != nil {
				return
			}
			continue
		case <-items.filled:
		}
		all, dropped, over, err := items.take()
		if over && err != nil && !begun && len(all) == 0 && ctx.Err() == nil {
			d.fail(w, err)
			return
		}
		batch := new(bytes.Buffer)
		if dropped > 0 {
			d.counts.dropped.Add(dropped)
			f.append(batch, "dropped", "", map[string]uint64{"dropped": dropped})
		}
		for _, item := range all {
			message(f, batch, item)
		}
		d.counts.records.Add(uint64(len(all)))
		if over {
			f.append(batch, "end", "", map[string]string{"end": because(err)})
		}
		if send(batch.Bytes()) != nil || over {
			return
		}
	}
}

// because says how a stream has ended.
func because(err error) string {
	if err == nil || errors.Is(err, context.Canceled) {
		return "there is no more"
	}
	return err.Error()
}
