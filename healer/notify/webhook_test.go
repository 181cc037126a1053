package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// request is what a receiver of webhooks got.
type request struct {
	path   string
	header http.Header
	body   string
}

// hook is a receiver of webhooks that answers as told.
func hook(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) (url string, got func() []request) {
	t.Helper()
	var mu sync.Mutex
	var all []request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		all = append(all, request{r.URL.String(), r.Header.Clone(), string(body)})
		mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []request {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func ok(http.ResponseWriter, *http.Request) {}

func secretFile(t *testing.T, text string) Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Secret{File: file}
}

var message = Message{Notice: few("shop.example.com", "2 of 3 \"present\"\n<ü>"), ID: "ID1", Kind: First,
	At: time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)}

func TestWebhookDefaultBody(t *testing.T) {
	url, got := hook(t, ok)
	w, err := newWebhook(Webhook{URL: url + "/alert?a=b", Headers: map[string]string{"x-team": "web"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	r := got()[0]
	want := map[string]any{
		"key": "live/shop.example.com/few", "event": "critical", "cluster": "live", "service": "shop.example.com",
		"text": "2 of 3 \"present\"\n<ü>", "since": "2026-01-02T03:04:05Z", "id": "ID1", "kind": "first", "at": "2026-01-02T03:05:00Z",
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || fmt.Sprint(body) != fmt.Sprint(want) {
		t.Errorf("body %v, %v\nwant %v", body, err, want)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Fairlead-Message": "ID1", "X-Team": "web", "Authorization": "", "User-Agent": "Fairlead",
	} {
		if r.header.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, r.header.Get(name), value)
		}
	}
	if r.path != "/alert?a=b" {
		t.Errorf("path %s", r.path)
	}
}

func TestWebhookSecretPlaces(t *testing.T) {
	t.Setenv("TEST_NOTIFY_SECRET", "s3cret/+")
	env := Secret{Env: "TEST_NOTIFY_SECRET"}
	for _, test := range []struct {
		name   string
		config Webhook
		want   string // PATH AUTHORIZATION X-KEY BODY
	}{
		{"by default", Webhook{Secret: env, Template: "{}"}, "/ Bearer s3cret/+  {}"},
		{"in the URL", Webhook{URL: "/{secret}", Secret: env, Template: "{}"}, "/s3cret/+   {}"},
		{"in a header", Webhook{Headers: map[string]string{"x-key": "k {secret}"}, Secret: env, Template: "{}"}, "/  k s3cret/+ {}"},
		{"in the body", Webhook{Secret: env, Template: "{{json secret}}"}, `/   "s3cret/+"`},
		{"a word in the body", Webhook{Secret: env, Template: `"secret"`}, `/ Bearer s3cret/+  "secret"`},
		{"from a file", Webhook{Secret: secretFile(t, "f1le"), Template: "{}"}, "/ Bearer f1le  {}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, got := hook(t, ok)
			test.config.URL = url + test.config.URL
			w, err := newWebhook(test.config)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.send(t.Context(), message); err != nil {
				t.Fatal(err)
			}
			r := got()[0]
			if line := strings.Join([]string{r.path, r.header.Get("Authorization"), r.header.Get("X-Key"), r.body}, " "); line != test.want {
				t.Errorf("got  %q\nwant %q", line, test.want)
			}
		})
	}
}

func TestWebhookAnswers(t *testing.T) {
	for _, test := range []struct {
		status int
		want   string
	}{
		{200, ""}, {202, ""}, {204, ""}, {299, ""},
		{301, "the answer is 301 Moved Permanently; redirects are not followed"}, {307, "redirects are not followed"},
		{400, "the answer is 400 Bad Request"}, {404, "404"}, {429, "429"}, {500, "500"}, {503, "503"},
	} {
		url, got := hook(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.status)
		})
		w, err := newWebhook(Webhook{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.send(t.Context(), message)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("status %d: %v, want %q", test.status, err, test.want)
		}
		if len(got()) != 1 {
			t.Errorf("status %d: %d requests", test.status, len(got()))
		}
	}
}

// TestWebhookIsTriedAgain has three real receivers: one is slow, one hangs, and one fails twice.
func TestWebhookIsTriedAgain(t *testing.T) {
	var count atomic.Int32
	failing, failed := hook(t, func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) < 3 {
			w.WriteHeader(500)
		}
	})
	slow, slowly := hook(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(100 * time.Millisecond) })
	hangs := make(chan struct{})
	hanging, _ := hook(t, func(w http.ResponseWriter, r *http.Request) { <-hangs })
	defer close(hangs)
	n := notifier(t, Config{
		Receivers: []Receiver{{Name: "failing", Webhook: &Webhook{URL: failing}}, {Name: "slow", Webhook: &Webhook{URL: slow}},
			{Name: "hanging", Webhook: &Webhook{URL: hanging}}},
		Timeout: 2 * time.Second, RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond,
	})
	defer start(t, n)()
	n.Notify(few("shop", "2 of 3"))
	eventually(t, "deliveries and a time-out", func() bool {
		s := n.Status()
		return s[0].Delivered == 1 && s[1].Delivered == 1 && s[2].Failed >= 1
	})
	s := n.Status()
	if s[0].Failed != 2 || s[0].LastError != "the answer is 500 Internal Server Error" || len(failed()) != 3 {
		t.Errorf("the failing one: %+v", s[0])
	}
	if first, last := failed()[0], failed()[2]; first.body != last.body || first.header.Get("Fairlead-Message") == "" {
		t.Errorf("the message changed: %v, %v", first, last)
	}
	if s[1].Failed != 0 || len(slowly()) != 1 {
		t.Errorf("the slow one: %+v", s[1])
	}
	if s[2].Delivered != 0 || s[2].Queued != 1 || s[2].LastError != "no success within 2s" {
		t.Errorf("the hanging one: %+v", s[2])
	}
}

func TestWebhookOverTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that does not believe it is no news
	server.StartTLS()
	defer server.Close()
	w, err := newWebhook(Webhook{URL: server.URL, CAFile: certificateFile(t, server.Certificate().Raw)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.send(t.Context(), message); err != nil {
		t.Error(err)
	}
	w, err = newWebhook(Webhook{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.send(t.Context(), message); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody is believed: %v", err)
	}
}

// TestSecretsStaySecret looks for them in errors, the status, the log and the queue's file.
func TestSecretsStaySecret(t *testing.T) {
	const secret = "T0P s3cret&"
	refusing, _ := hook(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403); fmt.Fprint(w, secret) })
	closed := httptest.NewServer(http.HandlerFunc(ok))
	closed.Close()
	dir := t.TempDir()
	var logged bytes.Buffer
	file := secretFile(t, secret)
	n := notifier(t, Config{
		Dir: dir, RetryMin: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Receivers: []Receiver{
			{Webhook: &Webhook{URL: refusing, Secret: file}},
			{Webhook: &Webhook{URL: closed.URL + "/{secret}", Secret: file}},
			{Webhook: &Webhook{URL: refusing, Secret: file, Template: `{{json secret}}`}, Name: "body"},
		},
	})
	stop := start(t, n)
	n.Notify(few("shop", "2 of 3"))
	eventually(t, "failures", func() bool {
		s := n.Status()
		return s[0].Failed > 0 && s[1].Failed > 0 && s[2].Failed > 0
	})
	status, err := json.Marshal(n.Status())
	if err != nil {
		t.Fatal(err)
	}
	stop()
	shown := map[string]string{"status": string(status), "log": logged.String()}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		shown[e.Name()] = string(text)
	}
	for where, text := range shown {
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s shows the secret: %s", where, text)
		}
	}
	if !strings.Contains(shown["log"], "connection refused") || !strings.Contains(shown["log"], "403 Forbidden") {
		t.Errorf("the log does not say why: %s", shown["log"])
	}
}

func TestWebhookErrorsAtLoad(t *testing.T) {
	const secret = "s3cret"
	for _, test := range []struct {
		name   string
		config Webhook
		want   string
	}{
		{"no URL", Webhook{}, "the URL is not of the form"},
		{"another scheme", Webhook{URL: "ftp://host/"}, "the URL is not of the form"},
		{"garbage", Webhook{URL: "http://s3cret:%zz"}, "the URL is not of the form"},
		{"a secret that is no URL", Webhook{URL: "{secret}", Secret: secretFile(t, secret)}, "the URL is not of the form"},
		{"no secret", Webhook{URL: "http://host/{secret}"}, "no secret: name its file or environment variable"},
		{"no secret for the body", Webhook{URL: "http://host/", Template: "{{json secret}}"}, "no secret: name its file"},
		{"missing secret", Webhook{URL: "http://host/", Secret: Secret{File: "/none/such"}}, "reading the secret: open /none/such"},
		{"unset secret", Webhook{URL: "http://host/", Secret: Secret{Env: "TEST_NOTIFY_UNSET"}}, "environment variable TEST_NOTIFY_UNSET is empty"},
		{"two secrets", Webhook{URL: "http://host/", Secret: Secret{File: "a", Env: "b"}}, "not both"},
		{"long secret", Webhook{URL: "http://host/", Secret: secretFile(t, "s3cret\ns3cret")}, "is more than one line"},
		{"header name", Webhook{URL: "http://host/", Headers: map[string]string{"a b": "c"}}, `"a b" is no name of a header`},
		{"header value", Webhook{URL: "http://host/", Headers: map[string]string{"A": "c\r\nB: d"}}, "header A is more than one line"},
		{"template syntax", Webhook{URL: "http://host/", Template: "{{.Text"}, "the body's template: template: template:1"},
		{"template field", Webhook{URL: "http://host/", Template: "{{json .Txt}}"}, "can't evaluate field Txt"},
		{"template in a branch", Webhook{URL: "http://host/", Template: `{{if .Resolved}}{{.Txt}}{{else}}1{{end}}`}, "can't evaluate field Txt"},
		{"template quotes", Webhook{URL: "http://host/", Template: `{"text": "{{.Text}}"}`}, "does not make JSON; write values with json"},
		{"template duration", Webhook{URL: "http://host/", Template: `{{json (later "x" .At)}}`}, "invalid duration"},
		{"endless template", Webhook{URL: "http://host/", Template: `{{range 1000000000}}xxxxxxxxxxxxxxxx{{end}}`}, "more than 262144 bytes"},
		{"content type", Webhook{URL: "http://host/", ContentType: "text/"}, `the content type "text/"`},
		{"certificates", Webhook{URL: "https://host/", CAFile: "/none/such"}, "reading the certificates of whom to trust"},
		{"no certificates", Webhook{URL: "https://host/", CAFile: secretFile(t, secret).File}, "has no certificate in PEM form"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newWebhook(test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestWebhookSecretCanChange(t *testing.T) {
	url, got := hook(t, ok)
	file := secretFile(t, "one")
	w, err := newWebhook(Webhook{URL: url, Secret: file})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"one", "two"} {
		if err := os.WriteFile(file.File, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.send(context.Background(), message); err != nil {
			t.Fatal(err)
		}
	}
	if r := got(); r[0].header.Get("Authorization") != "Bearer one" || r[1].header.Get("Authorization") != "Bearer two" {
		t.Errorf("sent %v, %v", r[0].header, r[1].header)
	}
}
