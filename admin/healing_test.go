package admin

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/proxy/pool"
)

const pauseBody = `{"scope": "all", "cluster": "live", "author": "kim", "reason": "why", "ttl": "1h"}`

func TestHealingRefusals(t *testing.T) {
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		says                       string
	}{
		{"unknown cluster", "GET", "/fairlead/healer?cluster=stage", "", 404, "clusters that are healed: live, test"},
		{"unknown parameter", "GET", "/fairlead/healer/plan?service=shop", "", 400, "unknown parameter"},
		{"check of what is not wanted", "GET", "/fairlead/healer/check?service=shop", "", 404, `no service \"shop\" is in the desired file`},
		{"check against no file", "POST", "/fairlead/healer/check", "", 400, "body"},
		{"check against a bad file", "POST", "/fairlead/healer/check?file=new.json", "{\"services\": [\n{\"domain\": \"a.example.com\", \"count\": 0}]}", 400, "new.json:2: "},
		{"check against another cluster", "POST", "/fairlead/healer/check", strings.ReplaceAll(desiredFile, `"test"`, `"stage"`), 400, `no cluster \"stage\" is configured`},
		{"check against too much", "POST", "/fairlead/healer/check", strings.Repeat(" ", mostDesired+1), 413, "16 MiB"},
		{"audit since words", "GET", "/fairlead/healer/audit?since=yesterday", "", 400, "cannot be read"},
		{"audit since the future", "GET", "/fairlead/healer/audit?since=-1h", "", 400, "cannot be read"},
		{"pause without a body", "PUT", "/fairlead/healer/pauses", "", 400, "reading the order"},
		{"pause with an unknown field", "PUT", "/fairlead/healer/pauses", `{"scope": "all", "untill": "x"}`, 400, "unknown field"},
		{"pause of everything somewhere", "PUT", "/fairlead/healer/pauses", strings.Replace(pauseBody, `"cluster": "live", `, "", 1), 400, "name one of live, test"},
		{"pause of a service of two clusters", "PUT", "/fairlead/healer/pauses", `{"scope": "service", "name": "shop.example.com", "ttl": "1h"}`, 400, "name one of live, test"},
		{"pause of what is not wanted", "PUT", "/fairlead/healer/pauses", `{"scope": "service", "name": "shpo.example.com", "ttl": "1h"}`, 404, `no service \"shpo.example.com\" is wanted`},
		{"pause in another cluster", "PUT", "/fairlead/healer/pauses", strings.Replace(pauseBody, "live", "stage", 1), 404, `no cluster \"stage\" is healed`},
		{"pause with a bad ttl", "PUT", "/fairlead/healer/pauses", strings.Replace(pauseBody, "1h", "long", 1), 400, "cannot be read"},
		{"resume what", "DELETE", "/fairlead/healer/pauses", "", 400, "no scope is named"},
		{"resume what is not paused", "DELETE", "/fairlead/healer/pauses?scope=service&name=shop.example.com", "", 404, "no pause of service shop.example.com is in force"},
		{"resume what is over", "DELETE", "/fairlead/healer/pauses?scope=all", "", 404, "no pause of all is in force"},
		{"forgive whom", "POST", "/fairlead/healer/forgive", "", 400, "no service is named"},
		{"forgive what is not wanted", "POST", "/fairlead/healer/forgive?service=none", "", 404, "is wanted"},
		{"drain without a body", "PUT", "/fairlead/healer/drains", "", 400, "reading the order"},
		{"drain of no host", "PUT", "/fairlead/healer/drains", `{"author": "kim", "reason": "why"}`, 400, "no host is named"},
		{"drain of an unknown host", "PUT", "/fairlead/healer/drains", `{"host": "web9", "author": "kim", "reason": "why"}`, 404, "there are web1, web2, web3"},
		{"drain with an end", "PUT", "/fairlead/healer/drains", `{"host": "web2", "author": "kim", "reason": "why", "ttl": "1h"}`, 400, "unknown field"},
		{"drain in another cluster", "PUT", "/fairlead/healer/drains", `{"host": "web2", "cluster": "stage", "author": "kim", "reason": "why"}`, 404, `no cluster \"stage\" is healed`},
		{"undrain of no host", "DELETE", "/fairlead/healer/drains", "", 400, "no host is named"},
		{"undrain of what is not drained", "DELETE", "/fairlead/healer/drains?host=web1", "", 404, "not drained"},
		{"registrations of a cluster", "GET", "/fairlead/registrations?cluster=live", "", 400, "unknown parameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			healing := newFakeHealing(t)
			w := askWith(healing, newFakeEdge(), c.method, c.target, c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || !strings.Contains(w.Body.String(), `"hint"`) {
				t.Errorf("got %d %s, want %d and %q", w.Code, w.Body, c.status, c.says)
			}
			if live := healing.healers[0]; len(live.pauses) != 2 || len(live.forgiven) > 0 || len(live.drained) > 0 {
				t.Errorf("a refused request changed the journal: %+v", live)
			}
		})
	}
}

// TestWithoutHealing: what needs no healer works, and the rest says what is missing.
func TestWithoutHealing(t *testing.T) {
	for _, target := range []string{"/fairlead/healer", "/fairlead/healer/plan", "/fairlead/healer/check", "/fairlead/healer/audit", "/fairlead/healer/pauses", "/fairlead/healer/drains"} {
		if w := ask(newFakeEdge(), "GET", target, ""); w.Code != 404 || !strings.Contains(w.Body.String(), "no healing is configured") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := ask(newFakeEdge(), "GET", "/fairlead/registrations", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"registrars": []`) {
		t.Errorf("registrations: %d %s", w.Code, w.Body)
	}
	if w := ask(newFakeEdge(), "POST", "/fairlead/healer/check", desiredFile); w.Code != 200 || !strings.Contains(w.Body.String(), `"state": "critical"`) {
		t.Errorf("check: %d %s", w.Code, w.Body)
	}
	empty := newFakeEdge()
	empty.table.Store(&pool.Snapshot{Version: 7})
	if w := ask(empty, "POST", "/fairlead/healer/check", desiredFile); w.Code != 404 || !strings.Contains(w.Body.String(), "no cluster is configured") {
		t.Errorf("check without clusters: %d %s", w.Code, w.Body)
	}
}

func TestCheckByTheDesiredFileInForce(t *testing.T) {
	healing := newFakeHealing(t)
	good, _ := healing.shown.Desired.Current()
	for _, c := range []struct {
		name   string
		wishes wishes
		status int
		says   string
	}{
		{"good", wishes{desired: good}, 200, `"state": "critical"`},
		{"broken since", wishes{good, "desired.json:3: count: no number"}, 200, `"problem": "desired.json:3: count: no number"`},
		{"never good", wishes{nil, "desired.json is missing"}, 503, "desired.json is missing"},
		{"not read yet", wishes{}, 503, "has not been read yet"},
	} {
		healing.shown.Desired = c.wishes
		w := askWith(healing, newFakeEdge(), "GET", "/fairlead/healer/check", "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s, want %d and %q", c.name, w.Code, w.Body, c.status, c.says)
		}
	}
}

// TestCheckByOtherFacts: whoever configures the API says what the facts are.
func TestCheckByOtherFacts(t *testing.T) {
	healing := newFakeHealing(t)
	healing.shown.Facts = func() []*discovery.Facts { return []*discovery.Facts{discovery.NoFacts("live")} }
	w := askWith(healing, newFakeEdge(), "GET", "/fairlead/healer/check?service=db.example.com", "")
	if !strings.Contains(w.Body.String(), "nothing is known of cluster live yet") {
		t.Errorf("%s", w.Body)
	}
}

// TestHealingThatIsKnownLater: a handler and a collector are made before what heals is.
func TestHealingThatIsKnownLater(t *testing.T) {
	healing := new(Healing)
	handler := New(newFakeEdge(), healing)
	if w := send(handler, "GET", "/fairlead/healer", ""); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wished := newFakeHealing(t).shown
	supervisor := healer.New(healer.Options{Cluster: "live", State: state.NewFile(filepath.Join(t.TempDir(), "state.json"))})
	healing.Replace(&Healing{Desired: wished.Desired, Supervisors: []*healer.Supervisor{supervisor}, Registrars: wished.Registrars})
	for target, says := range map[string]string{
		"/fairlead/healer": `"cluster": "live"`, "/fairlead/healer/check?service=db.example.com": `"present": 2`, "/fairlead/registrations": `"owner": "fairlead"`,
	} {
		if w := send(handler, "GET", target, ""); w.Code != 200 || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if len(healing.Statuses()) != 1 || len(healing.Registrations()) != 1 {
		t.Errorf("metrics see %v and %v", healing.Statuses(), healing.Registrations())
	}
}

func TestSteadyReasons(t *testing.T) {
	for reason, want := range map[string]string{
		"vanished in a mass at 2026-03-01T11:59:00Z; kept while it accepts connections, until 2026-03-01T12:14:00Z at the latest": "vanished in a mass; kept while it accepts connections",
		"restored from the snapshot file of 2026-03-01T11:59:00.123Z, not confirmed since":                                        "restored from the snapshot file, not confirmed since",
		"Get \"http://127.0.0.1:8500/v1\": read tcp 127.0.0.1:41234->127.0.0.1:8500: read: connection reset by peer":              "Get \"http://127.0.0.1:8500/v1\": read tcp 127.0.0.1:8500: read: connection reset by peer",
		"read tcp [::1]:41234->[::1]:8500: i/o timeout":                                                                           "read tcp [::1]:8500: i/o timeout",
		"4 of 5 present instances of cluster test vanished within 2s":                                                             "4 of 5 present instances of cluster test vanished within 2s",
	} {
		if got := steady(reason); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", reason, got, want)
		}
	}
}

func TestAuditIsNarrowedAndInOrder(t *testing.T) {
	healing := newFakeHealing(t)
	for query, want := range map[string]string{
		"": "plan verified is-unknown is-critical", "since=10m": "is-unknown is-critical", "since=2026-03-01T11:59:30Z": "is-critical",
		"cluster=test": "is-unknown", "cluster=live&service=SHOP.example.com&since=19m": "verified is-critical", "service=db.example.com": "",
	} {
		var answer struct{ Entries []healer.AuditEntry }
		w := askWith(healing, newFakeEdge(), "GET", "/fairlead/healer/audit?"+query, "")
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Entries == nil {
			t.Fatalf("%s: %v %s", query, err, w.Body)
		}
		var words []string
		for _, e := range answer.Entries {
			word, _, _ := strings.Cut(e.What, ":")
			words = append(words, strings.ReplaceAll(word, " ", "-"))
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%q: got %s, want %s", query, got, want)
		}
	}
}

func TestJournalThatCannotBeReached(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{fmt.Errorf("%w: connection refused", state.ErrUnavailable), 503},
		{fmt.Errorf("%w: want an author and a reason", healer.ErrBadPause), 400},
		{state.ErrConflict, 409},
	} {
		healing := newFakeHealing(t)
		healing.healers[0].err = c.err
		for request, body := range map[string]string{
			"PUT /fairlead/healer/pauses": pauseBody, "DELETE /fairlead/healer/pauses?scope=host&name=web2": "",
			"GET /fairlead/healer/pauses": "", "POST /fairlead/healer/forgive?service=db.example.com": "",
		} {
			method, target, _ := strings.Cut(request, " ")
			if w := askWith(healing, newFakeEdge(), method, target, body); w.Code != c.status || !strings.Contains(w.Body.String(), c.err.Error()) {
				t.Errorf("%s: %d %s, want %d", request, w.Code, w.Body, c.status)
			}
		}
	}
}

// TestPausesInARealJournal goes through a supervisor and its journal in a file.
func TestPausesInARealJournal(t *testing.T) {
	supervisor := healer.New(healer.Options{Cluster: "live", State: state.NewFile(filepath.Join(t.TempDir(), "state.json"))})
	handler := New(newFakeEdge(), &Healing{Supervisors: []*healer.Supervisor{supervisor}})
	body := func(name, reason string) string {
		return fmt.Sprintf(`{"scope": "host", "name": %q, "author": "kim", "reason": %q, "expires": %q}`, name, reason, time.Now().Add(time.Hour).Format(time.RFC3339))
	}
	names := func() (names []string) {
		var answer struct{ Pauses []pauseView }
		if err := json.Unmarshal(send(handler, "GET", "/fairlead/healer/pauses", "").Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		for _, p := range answer.Pauses {
			names = append(names, p.Cluster+" "+p.Name+" "+p.Reason)
		}
		return names
	}
	for _, name := range []string{"web 1", "web2"} {
		if w := send(handler, "PUT", "/fairlead/healer/pauses", body(name, "disk")); w.Code != 200 || !strings.Contains(w.Body.String(), `"created": "20`) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if w := send(handler, "PUT", "/fairlead/healer/pauses", body("WEB2", "fan")); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := names(); !slices.Equal(got, []string{"live web 1 disk", "live WEB2 fan"}) {
		t.Errorf("pauses %q", got)
	}
	if w := send(handler, "DELETE", "/fairlead/healer/pauses?scope=host&name="+url.QueryEscape("Web 1"), ""); w.Code != 200 || !strings.Contains(w.Body.String(), "disk") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := names(); !slices.Equal(got, []string{"live WEB2 fan"}) {
		t.Errorf("pauses %q", got)
	}
	for _, bad := range []string{
		`{"scope": "host", "author": "kim", "reason": "r", "ttl": "1h"}`, `{"scope": "host", "name": "web1", "author": "kim", "reason": "r"}`,
		`{"scope": "host", "name": "web1", "author": "kim", "ttl": "1h"}`, `{"scope": "rack", "name": "web1", "author": "kim", "reason": "r", "ttl": "1h"}`,
	} {
		if w := send(handler, "PUT", "/fairlead/healer/pauses", bad); w.Code != 400 || !strings.Contains(w.Body.String(), "bad pause") {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}
