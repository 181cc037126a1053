package agent

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery/docker"
)

const shopID = "4167b290ec360609c30b2667671bf1a29977d15fbfba98777eea2a06108de709"

// fake is an engine with two containers.
type fake struct {
	logs func(ctx context.Context, q docker.LogQuery, give func(docker.LogRecord) error) error
	err  error

	mu    sync.Mutex // viewers may come side by side
	asked docker.LogQuery
	of    string
}

func (f *fake) Containers(context.Context) ([]docker.Described, error) {
	return []docker.Described{{ID: shopID, Name: "shop.1", State: "running"}, {ID: strings.Repeat("8", 64), Name: "db.1", State: "exited"}}, f.err
}

func (f *fake) Logs(ctx context.Context, id string, q docker.LogQuery, give func(docker.LogRecord) error) error {
	f.mu.Lock()
	f.asked, f.of = q, id
	f.mu.Unlock()
	return f.logs(ctx, q, give)
}

func (f *fake) Stats(ctx context.Context, id string, follow bool, give func(docker.Stats) error) error {
	return give(docker.Stats{Time: time.Unix(1, 0).UTC(), CPUPercent: 12.5})
}

// records gives numbered records, old ones or of this moment, until it has given so many; negative is without end.
func records(count int, live bool) func(context.Context, docker.LogQuery, func(docker.LogRecord) error) error {
	return func(ctx context.Context, _ docker.LogQuery, give func(docker.LogRecord) error) error {
		for n := 0; n != count; n++ {
			r := docker.LogRecord{Time: time.Unix(int64(n), 0), Stream: "stdout", Text: fmt.Sprint(n), Cursor: fmt.Sprintf("stdout.%d.1", n)}
			if live {
				r.Time = time.Now().Add(time.Hour)
			}
			if err := give(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func newDoor(f *fake) *Door {
	return &Door{Containers: f, Heartbeat: time.Hour, Services: func(id string) []string {
		if id == shopID {
			return []string{"shop.example.com"}
		}
		return nil
	}}
}

// as makes a request the one of a client with a certificate for these names.
func as(r *http.Request, common string, names ...string) *http.Request {
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{DNSNames: names, Subject: pkix.Name{CommonName: common}}}}
	return r
}

func get(h http.Handler, target, client string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", target, nil)
	if client != "" {
		as(r, client)
	}
	h.ServeHTTP(recorder{w}, r)
	return w
}

// recorder takes deadlines, as a server's writer does.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetWriteDeadline(time.Time) error { return nil }

func TestWhoMayReadWhat(t *testing.T) {
	clients := []Client{{Name: "edge"}, {Name: "team", Services: []string{"shop.example.com"}}, {Name: "others", Services: []string{"db.example.com"}}}
	for _, c := range []struct {
		clients []Client
		client  string
		target  string
		status  int
		says    string
	}{
		{nil, "", "/containers", 403, "nobody"},
		{nil, "anybody", "/containers", 200, "db.1"},
		{clients, "edge", "/containers", 200, "db.1"},
		{clients, "stranger", "/containers", 403, "stranger"},
		{clients, "team", "/containers", 200, `"services":["shop.example.com"]`},
		{clients, "team", "/containers/shop.1/logs", 200, `"text":"1"`},
		{clients, "team", "/containers/" + shopID[:12] + "/logs", 200, `"text":"1"`},
		{clients, "team", "/containers/" + shopID[:11] + "/logs", 404, "no such container"},
		{clients, "team", "/containers/db.1/logs", 404, "no such container"},
		{clients, "team", "/containers/db.1/stats", 404, "no such container"},
		{clients, "others", "/containers", 200, `"containers":[]`},
		{clients, "edge", "/containers/shop.1/stats", 200, `"cpu_percent":12.5`},
		{clients, "edge", "/containers/none/stats", 404, "no such container"},
		{clients, "edge", "/", 404, ""},
	} {
		d := newDoor(&fake{logs: records(2, false)})
		d.Clients = c.clients
		w := get(d.Handler(), c.target, c.client)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s for %q: %d %s", c.target, c.client, w.Code, w.Body)
		}
		if c.client == "team" && strings.Contains(w.Body.String(), "db.1") {
			t.Errorf("%s shows the team %s", c.target, w.Body)
		}
		if denied := d.Status().Denied; (denied == 1) != (c.status == 403) {
			t.Errorf("%s for %q: %d denied", c.target, c.client, denied)
		}
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	h := newDoor(&fake{logs: records(1, false)}).Handler()
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "HEAD", "CONNECT"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, as(httptest.NewRequest(method, "/containers/shop.1/logs", nil), "me"))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestLogQueries(t *testing.T) {
	const cursor = "stdout.5.1"
	for _, c := range []struct {
		query, id string
		status    int
		check     func(docker.LogQuery) bool
	}{
		{"", "", 200, func(q docker.LogQuery) bool {
			return q.Tail == -1 && !q.Follow && q.Since.IsZero() && len(q.After) == 0
		}},
		{"?tail=5&follow", "", 200, func(q docker.LogQuery) bool { return q.Tail == 5 && q.Follow }},
		{"?tail=all&follow=false", "", 200, func(q docker.LogQuery) bool { return q.Tail == -1 && !q.Follow }},
		{"?since=10m", "", 200, func(q docker.LogQuery) bool { return time.Since(q.Since).Round(time.Minute) == 10*time.Minute }},
		{"?since=2026-03-01T12:00:00Z", "", 200, func(q docker.LogQuery) bool { return q.Since.Year() == 2026 }},
		{"?after=" + cursor, "", 200, func(q docker.LogQuery) bool { return q.After.String() == cursor }},
		{"", cursor, 200, func(q docker.LogQuery) bool { return q.After.String() == cursor }},
		{"?tail=-1", "", 400, nil}, {"?tail=x", "", 400, nil}, {"?since=x", "", 400, nil}, {"?after=x", "", 400, nil}, {"?follow=x", "", 400, nil},
		{"?tial=5", "", 400, nil}, {"?tail=1&tail=2", "", 400, nil}, {"?%zz", "", 400, nil},
	} {
		f := &fake{logs: records(1, false)}
		w := httptest.NewRecorder()
		r := as(httptest.NewRequest("GET", "/containers/shop.1/logs"+c.query, nil), "me")
		if c.id != "" {
			r.Header.Set("Last-Event-ID", c.id)
		}
		newDoor(f).Handler().ServeHTTP(recorder{w}, r)
		if w.Code != c.status || c.check != nil && (!c.check(f.asked) || f.of != shopID) {
			t.Errorf("%s %s: %d %s, asked %+v", c.query, c.id, w.Code, w.Body, f.asked)
		}
	}
}

func TestFormats(t *testing.T) {
	d := newDoor(&fake{logs: func(_ context.Context, _ docker.LogQuery, give func(docker.LogRecord) error) error {
		return give(docker.LogRecord{Time: time.Unix(1, 0), Stream: "stderr", Text: "<script>\x1b[1m\n\ndata: x", Cursor: "stderr.1000000000.1"})
	}})
	h := d.Handler()
	w := get(h, "/containers/shop.1/logs", "me")
	const record = `{"time":"1970-01-01T00:00:01Z","stream":"stderr","text":"\u003cscript\u003e\u001b[1m\n\ndata: x","cursor":"stderr.1000000000.1"}`
	if want := record + "\n" + `{"end":"there is no more"}` + "\n"; w.Body.String() != want || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%s: %s", w.Header().Get("Content-Type"), w.Body)
	}
	w = httptest.NewRecorder()
	r := as(httptest.NewRequest("GET", "/containers/shop.1/logs", nil), "me")
	r.Header.Set("Accept", "text/event-stream")
	h.ServeHTTP(recorder{w}, r)
	want := "id: stderr.1000000000.1\nevent: log\ndata: " + record + "\n\nevent: end\ndata: {\"end\":\"there is no more\"}\n\n"
	if w.Body.String() != want || w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "'none'") {
		t.Errorf("%v: %s", w.Header(), w.Body)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{{docker.ErrNoContainer, 404}, {docker.ErrUnreadable, 501}, {errors.New("no answer"), 502}} {
		d := newDoor(&fake{logs: func(context.Context, docker.LogQuery, func(docker.LogRecord) error) error { return c.err }})
		if w := get(d.Handler(), "/containers/shop.1/logs?follow", "me"); w.Code != c.status || !strings.Contains(w.Body.String(), c.err.Error()) {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
	}
	if w := get(newDoor(&fake{err: errors.New("no answer")}).Handler(), "/containers", "me"); w.Code != 502 {
		t.Errorf("a deaf engine: %d %s", w.Code, w.Body)
	}
}

// serve serves a door over TCP, to clients that are let in.
func serve(t *testing.T, d *Door) string {
	t.Helper()
	h := d.Handler()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, as(r, "me")) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// dial asks and reads nothing yet.
func dial(t *testing.T, addr, target string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: door\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A viewer that takes nothing keeps nobody waiting: what is written now is dropped for it, and counted, and what it gets in the end says how
// much.
func TestASlowViewerDrops(t *testing.T) {
	const all = 400_000
	finished := make(chan struct{})
	d := newDoor(&fake{logs: func(ctx context.Context, q docker.LogQuery, give func(docker.LogRecord) error) error {
		defer close(finished)
		return records(all, true)(ctx, q, give)
	}})
	conn := dial(t, serve(t, d), "/containers/shop.1/logs?follow")
	select {
	case <-finished:
	case <-time.After(20 * time.Second):
		t.Fatal("the container waits for a viewer that takes nothing")
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, dropped, last := 0, 0, -1
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		var m struct {
			Text    *string
			Dropped int
			End     string
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		dropped += m.Dropped
		if m.Text != nil {
			got++
			var n int
			fmt.Sscan(*m.Text, &n)
			if n <= last {
				t.Fatalf("%d comes after %d", n, last)
			}
			last = n
		}
	}
	if got+dropped != all || dropped == 0 || last != all-1 || uint64(dropped) != d.Status().Dropped || uint64(got) != d.Status().Records {
		t.Errorf("%d records and %d dropped of %d, the last is %d; counted %+v", got, dropped, all, last, d.Status())
	}
}

// What is old is not dropped: it is read as fast as the viewer takes it.
func TestASlowViewerGetsAllOfThePast(t *testing.T) {
	const all = 50_000
	d := newDoor(&fake{logs: records(all, false)})
	conn := dial(t, serve(t, d), "/containers/shop.1/logs?follow")
	time.Sleep(500 * time.Millisecond)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"stream"`); n != all || d.Status().Dropped > 0 {
		t.Errorf("%d of %d, %d dropped", n, all, d.Status().Dropped)
	}
}

// A viewer that takes nothing for too long is cut off, and its place is free again. More than there are places for are turned away.
func TestViewersAreBounded(t *testing.T) {
	d := newDoor(&fake{logs: records(-1, true)})
	d.Viewers, d.Stall = 2, 300*time.Millisecond
	addr := serve(t, d)
	for range 2 {
		dial(t, addr, "/containers/shop.1/logs?follow")
	}
	wait(t, "two viewers", func() bool { return d.Status().Viewers == 2 })
	answer, err := http.Get("http://" + addr + "/containers/shop.1/logs")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || d.Status().Turned != 1 {
		t.Errorf("the third gets %d, %+v", answer.StatusCode, d.Status())
	}
	wait(t, "the two to be cut off", func() bool { return d.Status().Viewers == 0 })
}

// A silent log says that it lives.
func TestHeartbeat(t *testing.T) {
	d := newDoor(&fake{logs: func(ctx context.Context, _ docker.LogQuery, _ func(docker.LogRecord) error) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	d.Heartbeat = 50 * time.Millisecond
	conn := dial(t, serve(t, d), "/containers/shop.1/logs?follow")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	three := make([]byte, 3)
	if _, err := io.ReadFull(answer.Body, three); err != nil || string(three) != "\n\n\n" {
		t.Errorf("%q, %v", three, err)
	}
	conn.Close()
	wait(t, "its place to be free", func() bool { return d.Status().Viewers == 0 })
}

func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
