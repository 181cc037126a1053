package agent

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/discovery/docker"
)

// record is a record of a log as it is sent.
type record struct {
	Time    time.Time `json:"time"`
	Stream  string    `json:"stream"`
	Text    string    `json:"text"`
	Partial bool      `json:"partial,omitempty"`
	Cursor  string    `json:"cursor"`
}

// logs answers with what a container has said, and with follow what it says.
func (d *Door) logs(w http.ResponseWriter, r *http.Request) {
	q, err := logQuery(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error(), "parameters here: follow, tail, since, after")
		return
	}
	c, leave, ok := d.admit(w, r)
	if !ok {
		return
	}
	defer leave()
	d.Logger.Info("logs read", "client", d.permit(r).name, "peer", r.RemoteAddr, "container", c.Name, "id", c.ID, "query", r.URL.RawQuery)
	began := time.Now()
	items := newRing(func(l docker.LogRecord) int { return len(l.Text) + 200 })
	read := func(ctx context.Context) error {
		return d.Containers.Logs(ctx, c.ID, q, func(l docker.LogRecord) error {
			return items.put(ctx, l, q.Follow && l.Time.After(began)) // what is old can wait for the viewer
		})
	}
	stream(d, w, r, items, read, func(f format, batch *bytes.Buffer, l docker.LogRecord) {
		f.append(batch, "log", l.Cursor, record{l.Time.UTC(), l.Stream, l.Text, l.Partial, l.Cursor})
	})
}

// logQuery reads what is asked for. A reader that was cut off names the last record it has read, by after or as browsers do.
func logQuery(r *http.Request) (q docker.LogQuery, err error) {
	values, err := parameters(r, "follow", "tail", "since", "after")
	if err != nil {
		return q, err
	}
	q.Tail = -1
	if text := values.Get("tail"); text != "" && text != "all" {
		if q.Tail, err = strconv.Atoi(text); err != nil || q.Tail < 0 {
			return q, fmt.Errorf("tail %q: want a number of records, or all", text)
		}
	}
	if q.Follow, err = truth(values, "follow"); err != nil {
		return q, err
	}
	if text := values.Get("since"); text != "" {
		if ago, failed := time.ParseDuration(text); failed == nil {
			q.Since = time.Now().Add(-ago)
		} else if q.Since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return q, fmt.Errorf("since %q: want a duration such as 10m, or a time such as 2026-03-01T12:00:00Z", text)
		}
	}
	after := values.Get("after")
	if after == "" {
		after = r.Header.Get("Last-Event-ID")
	}
	q.After, err = docker.ParseCursor(after)
	return q, err
}

// stats answers with what a container uses, and with follow each second anew.
func (d *Door) stats(w http.ResponseWriter, r *http.Request) {
	values, err := parameters(r, "follow")
	follow := false
	if err == nil {
		follow, err = truth(values, "follow")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error(), "parameters here: follow")
		return
	}
	c, leave, ok := d.admit(w, r)
	if !ok {
		return
	}
	defer leave()
	d.Logger.Info("statistics read", "client", d.permit(r).name, "peer", r.RemoteAddr, "container", c.Name, "id", c.ID)
	items := newRing(func(docker.Stats) int { return mostBytes / 2 }) // an old reading is worth nothing
	read := func(ctx context.Context) error {
		return d.Containers.Stats(ctx, c.ID, follow, func(s docker.Stats) error { return items.put(ctx, s, true) })
	}
	stream(d, w, r, items, read, func(f format, batch *bytes.Buffer, s docker.Stats) { f.append(batch, "stats", "", s) })
}

// parameters returns those of a request; one that is not known is refused.
func parameters(r *http.Request, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("reading the query: %w", err)
	}
	for name, given := range values {
		if !slices.Contains(known, name) || len(given) > 1 {
			return nil, fmt.Errorf("parameter %q is unknown or given twice", name)
		}
	}
	return values, nil
}

func truth(values url.Values, name string) (bool, error) {
	text := values.Get(name)
	if text == "" {
		return values.Has(name), nil
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s %q: want true or false", name, text)
	}
	return is, nil
}
