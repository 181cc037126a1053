package plugins_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/tools/lab"
)

func TestAnswers(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	gone := lab.StartBackend(t, "gone", nil)
	gone.Close()
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}, "gone.example.com": {gone}})
	s.mustLoad(strings.Replace(plain, "{STATE}", "{STATE}\n\t\tcluster empty {\n\t\t\tprefix empty.\n\t\t\tfile {DIR}/none.json\n\t\t}\n\t\tcluster closed {\n\t\t\tprefix closed.\n\t\t\tallow 203.0.113.1\n\t\t\tfile {TEST}\n\t\t}", 1))
	for _, c := range []struct {
		name, host, path string
		status           int
		reason           string // the header
		retry            string
		backend          string
	}{
		{name: "a discovered domain", host: "shop.example.com", path: "/", status: 200, backend: "shop"},
		{name: "its own path of that name", host: "shop.example.com", path: "/fairlead/ready", status: 200, backend: "shop"},
		{name: "no domain", host: "none.example.com", path: "/", status: 404, reason: "no_domain"},
		{name: "bad host", host: "a_b!c", path: "/", status: 400, reason: "bad_host"},
		{name: "closed cluster", host: "closed.a.example.com", path: "/", status: 403, reason: "denied"},
		{name: "cluster without facts", host: "empty.a.example.com", path: "/", status: 503, reason: "cluster_unready", retry: "2"},
		{name: "dead member", host: "gone.example.com", path: "/", status: 502, reason: "connect_failed"},
		{name: "ready by address", host: s.http, path: "/fairlead/ready", status: 200},
		{name: "ready by a name that is not served", host: "lb.example.com", path: "/fairlead/ready", status: 200},
		{name: "another path by address", host: s.http, path: "/fairlead/pools", status: 404, reason: "no_domain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.get(c.host, c.path)
			if got.StatusCode != c.status || got.Header.Get("Fairlead-Reason") != c.reason || got.Header.Get("Retry-After") != c.retry || got.Header.Get("X-Backend") != c.backend {
				t.Errorf("%d, reason %q, retry after %q, from %q; want %+v", got.StatusCode, got.Header.Get("Fairlead-Reason"), got.Header.Get("Retry-After"), got.Header.Get("X-Backend"), c)
			}
			if c.status >= 400 && strings.Contains(got.body, "127.0.0.1") {
				t.Errorf("the client is told %q", got.body)
			}
		})
	}
	if got := s.do("GET", "http://"+s.admin+"/fairlead/ready", s.admin); got.StatusCode != 200 || !strings.Contains(got.body, `"ready": true`) {
		t.Errorf("the admin endpoint says %d %s", got.StatusCode, got.body)
	}
	if got := s.do("GET", "http://"+s.admin+"/metrics", s.admin); !strings.Contains(got.body, "fairlead_") {
		t.Error("Caddy's metrics have none of ours")
	}
}

func TestUnknownDomainsCanBePassedOn(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	s.mustLoad(strings.Replace(plain, "\tfairlead\n}\n", "\troute {\n\t\tfairlead {\n\t\t\tpass_unknown\n\t\t}\n\t\trespond teapot 418\n\t}\n}\n", 1))
	if got := s.get("shop.example.com", "/"); got.StatusCode != 200 {
		t.Errorf("a discovered domain: %d", got.StatusCode)
	}
	if got := s.get("none.example.com", "/"); got.StatusCode != 418 || got.Header.Get("Fairlead-Reason") != "" {
		t.Errorf("an unknown domain: %d, %q", got.StatusCode, got.Header.Get("Fairlead-Reason"))
	}
}

func TestAccessLogAndPlaceholders(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	s.mustLoad(strings.Replace(plain, "\tfairlead\n}\n", `	log {
		output file {DIR}/access.log
	}
	header >Who "{http.fairlead.cluster} {http.fairlead.pool} {http.fairlead.member} {http.fairlead.attempts} {http.fairlead.code}"
	fairlead
}
`, 1))
	if got := s.get("shop.example.com", "/").Header.Get("Who"); got != "live shop.example.com live/static/shop-shop.example.com-0 1 ok" {
		t.Errorf("placeholders: %q", got)
	}
	s.get("none.example.com", "/")
	var lines []string
	s.until("the access log", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "access.log"))
		lines = strings.Split(strings.TrimSpace(string(text)), "\n")
		return err == nil && len(lines) == 2
	})
	for i, want := range []string{`"member":"live/static/shop-shop.example.com-0"`, `"code":"no_domain"`} {
		var entry struct{ Fairlead json.RawMessage }
		if err := json.Unmarshal([]byte(lines[i]), &entry); err != nil || !strings.Contains(string(entry.Fairlead), want) {
			t.Errorf("line %d has %s, %v; want %s", i, entry.Fairlead, err, want)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	const secret = "f00dcafe-secret-7"
	t.Setenv("FAIRLEAD_TEST_TOKEN", secret)
	asked := make(chan string, 100)
	agent := lab.StartBackend(t, "agent", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.Header.Get("X-Consul-Token"):
		default:
		}
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	s := newSite(t)
	s.mustLoad(strings.Replace(plain, "file {LIVE} {\n\t\t\t\tpoll 20ms\n\t\t\t}", "consul "+agent.Addr()+" {\n\t\t\t\ttoken {env.FAIRLEAD_TEST_TOKEN}\n\t\t\t}", 1))
	if got := <-asked; got != secret {
		t.Errorf("Consul is asked with the token %q", got)
	}
	for _, path := range []string{"/config/", "/fairlead/snapshot", "/fairlead/sources", "/metrics"} {
		got := s.do("GET", "http://"+s.admin+path, s.admin)
		if strings.Contains(got.body, secret) {
			t.Errorf("%s shows the token", path)
		}
		if path == "/config/" && !strings.Contains(got.body, `"token":"{env.FAIRLEAD_TEST_TOKEN}"`) {
			t.Errorf("the configuration has lost its placeholder: %s", got.body)
		}
	}
	filepath.Walk(s.dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), secret) {
				t.Errorf("%s holds the token", path)
			}
		}
		return nil
	})
}
