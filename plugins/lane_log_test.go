package plugins_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/tools/lab"
)

const logged = `{
	servers {
		trusted_proxies static 127.0.0.1/32
	}
	fairlead {
		cluster live {
			file {LIVE}
		}
		{STATE}
	}
}
http://shop.example.com:{HTTPPORT}, https://shop.example.com:{HTTPSPORT} {
	tls internal
	log {
		output file {DIR}/shop.log
	}
	fairlead
}
http://*.example.com:{HTTPPORT} {
	log {
		output file {DIR}/others.log
		hostnames *.example.com
	}
	fairlead
}
http://quiet.example.com:{HTTPPORT} {
	fairlead
}
`

// TestAccessLogsAreAlike compares Caddy's own access log with the lane's, and who is logged where.
func TestAccessLogsAreAlike(t *testing.T) {
	logs := map[string][]string{}
	for _, lane := range engines {
		s := newSite(t)
		s.lane = lane
		shop := lab.StartBackend(t, "shop", nil)
		gone := lab.StartBackend(t, "gone", nil)
		gone.Close()
		s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}, "a.example.com": {shop}, "quiet.example.com": {shop}, "gone.example.com": {gone}})
		s.mustLoad(logged)
		s.until("the certificate", func() bool { _, err := s.handshake("shop.example.com", "127.0.0.1"); return err == nil })
		// A line may be written when its client has gone on already: the next request waits for it, so that they stand in order.
		written := 0
		line := func(file string) {
			t.Helper()
			written++
			s.until(fmt.Sprintf("line %d in %s", written, file), func() bool { return s.lines(file) >= written })
		}
		for _, name := range []string{"", "shop.example.com"} {
			c := s.talkTo(t, name)
			c.say("GET /x?y=1 HTTP/1.1\r\nHost: shop.example.com:80\r\nX-Forwarded-For: 203.0.113.9\r\nCookie: secret=1\r\nuser-agent: test\r\n\r\n")
			c.hears("shop")
			line("shop.log")
			c.say("POST /size HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
			c.hears("shop")
			line("shop.log")
		}
		written = 0
		for _, host := range []string{"a.example.com", "quiet.example.com"} {
			if got := s.get(host, "/"); got.StatusCode != 200 {
				t.Errorf("%s answers %d", host, got.StatusCode)
			}
			line("others.log")
		}
		if got := s.get("gone.example.com", "/"); got.StatusCode != 502 {
			t.Errorf("a dead member answers %d", got.StatusCode)
		}
		for file, lines := range map[string]int{"shop.log": 4, "others.log": 3} {
			logs[file] = append(logs[file], s.entries(t, file, lines))
		}
	}
	for file, all := range logs {
		for i := range all {
			if all[i] != all[0] {
				t.Errorf("%s by %s and by %s:\n%s", file, engines[0], engines[i], difference(all[0], all[i]))
			}
		}
	}
}

// difference shows the lines that one text has more of than the other.
func difference(a, b string) string {
	counts := map[string]int{}
	for line := range strings.Lines(a) {
		counts[line]++
	}
	for line := range strings.Lines(b) {
		counts[line]--
	}
	var lines []string
	for line, n := range counts {
		if n != 0 {
			lines = append(lines, fmt.Sprintf("%+d %s", n, line))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// lines counts what stands in an access log.
func (s *site) lines(file string) int {
	text, _ := os.ReadFile(filepath.Join(s.dir, file)) // there is none before the first line
	return strings.Count(string(text), "\n")
}

// entries reads an access log that must have so many lines, without what differs every time.
func (s *site) entries(t *testing.T, file string, lines int) string {
	t.Helper()
	s.until(fmt.Sprintf("%d lines in %s", lines, file), func() bool { return s.lines(file) >= lines })
	text, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ts", "duration"} {
			if entry[name] == nil {
				t.Errorf("%s has no %s: %s", file, name, line)
			}
			delete(entry, name)
		}
		delete(entry["request"].(map[string]any), "remote_port")
		delete(entry["fairlead"].(map[string]any), "latency")
		delete(entry["resp_headers"].(map[string]any), "Date")
		delete(entry["resp_headers"].(map[string]any), "Alt-Svc") // the port
		again, err := json.MarshalIndent(entry, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(again, '\n'))
	}
	return out.String()
}

// TestHTTPMetricsAreAlike compares Caddy's own metrics with the lane's.
func TestHTTPMetricsAreAlike(t *testing.T) {
	var all []string
	for _, lane := range engines {
		s := newSite(t)
		s.lane = lane
		shop := lab.StartBackend(t, "shop", nil)
		gone := lab.StartBackend(t, "gone", nil)
		gone.Close()
		s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}, "gone.example.com": {gone}})
		config := strings.Replace(plain, "{\n", "{\n\tmetrics\n", 1)
		s.mustLoad(config)
		for range 2 {
			s.get("shop.example.com", "/?size=5000")
			s.get("gone.example.com", "/")
			s.get("none.example.com", "/")
			s.do("ODD", "http://"+s.http+"/", "shop.example.com")
		}
		want := `caddy_http_requests_total{handler="fairlead",server="srv0"} 8`
		var scraped string
		s.until("all requests to be counted", func() bool {
			scraped = s.do("GET", "http://"+s.admin+"/metrics", s.admin).body
			return strings.Contains(scraped, want)
		})
		all = append(all, series(scraped))
	}
	for i := range all {
		if all[i] != all[0] || !strings.Contains(all[0], `code="502"`) {
			t.Errorf("by %s and by %s:\n%s", engines[0], engines[i], difference(all[0], all[i]))
		}
	}
}

// series returns the counts of Caddy's HTTP metrics, without what depends on time.
func series(scraped string) string {
	var lines []string
	timed := regexp.MustCompile(`_seconds_(bucket|sum)`)
	for line := range strings.Lines(scraped) {
		if strings.HasPrefix(line, "caddy_http_") && !timed.MatchString(line) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// TestHostMetricsAreCaddys: the lane does not know which hosts may be told apart.
func TestHostMetricsAreCaddys(t *testing.T) {
	s := newSite(t)
	shop := lab.StartBackend(t, "shop", nil)
	s.catalogue(s.live, map[string][]*lab.Backend{"shop.example.com": {shop}})
	s.mustLoad(strings.Replace(plain, "{\n", "{\n\tmetrics {\n\t\tper_host\n\t}\n", 1))
	if got := s.explainedLane(t, "shop.example.com"); got != "metrics per_host" {
		t.Errorf("explained by %q", got)
	}
	if got := s.get("shop.example.com", "/"); got.StatusCode != 200 {
		t.Errorf("answered %d", got.StatusCode)
	}
}
