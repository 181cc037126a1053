package consul

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no cluster", Config{}, "no cluster"},
		{"a path", Config{Cluster: "live", Address: "http://127.0.0.1:8500/v1"}, "want host:port"},
		{"another scheme", Config{Cluster: "live", Address: "unix:///run/consul"}, "want host:port"},
		{"two tokens", Config{Cluster: "live", Token: "a", TokenFile: "b"}, "give one"},
		{"TLS without HTTPS", Config{Cluster: "live", TLS: TLS{CAFile: "ca"}}, "not https://"},
		{"half a certificate", Config{Cluster: "live", Address: "https://h:1", TLS: TLS{CertFile: "c"}}, "key file"},
		{"no watches", Config{Cluster: "live", MaxWatches: 1}, "at least 4"},
		{"a negative time", Config{Cluster: "live", Wait: -1}, "negative"},
		{"no token file", Config{Cluster: "live", TokenFile: missing}, "token file"},
		{"no authorities", Config{Cluster: "live", Address: "https://h:1", TLS: TLS{CAFile: missing}}, "authorities"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	tok, err := newToken("", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ text, want string }{{"first\n", "first"}, {"second", "second"}, {"", "second"}, {"two words", "second"}, {" third ", "third"}} {
		write(step.text)
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Duration(len(step.text))*time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := tok.get(); got != step.want {
			t.Errorf("after %q the token is %q, want %q", step.text, got, step.want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := tok.get(); got != "third" {
		t.Errorf("without its file the token is %q", got)
	}
}

// TestToken: it goes to the agent alone, whatever the environment holds or the agent redirects to, and into no log or error.
func TestToken(t *testing.T) {
	t.Setenv("CONSUL_HTTP_TOKEN", "from-the-environment")
	t.Setenv("CONSUL_HTTP_TOKEN_FILE", filepath.Join(t.TempDir(), "missing"))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("redirected, with the token %q", r.Header.Get("X-Consul-Token"))
	}))
	defer elsewhere.Close()
	var logged bytes.Buffer
	s := newScript(t)
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Consul-Token"); got != "secret" {
			t.Errorf("the agent got the token %q", got)
		}
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	}))
	defer redirecting.Close()
	c := quick(s)
	c.Address, c.Token, c.Cluster = redirecting.URL, "secret", "live"
	c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	source, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := source.Run(ctx, nil, newObserver().report); err != context.DeadlineExceeded {
		t.Errorf("Run ended with %v", err)
	}
	if text := logged.String(); !strings.Contains(text, "answers 302") || strings.Contains(text, "secret") {
		t.Errorf("logged %s", text)
	}

	without := observe(t, quick(s), nil)
	without.until(t, "doubt about the empty answers of a script that says nothing", func(*observer) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.tokens[""]
	})
	if len(s.tokens) != 1 {
		t.Errorf("tokens sent without one configured: %v", s.tokens)
	}
}
