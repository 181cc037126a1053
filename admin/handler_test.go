package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/proxy"
	"github.com/fairlead/fairlead/proxy/pool"
)

// ask sends one request to the API of an edge whose clock stands at now, and behind which nothing is healed.
func ask(edge Edge, method, target, body string) *httptest.ResponseRecorder {
	return askWith(&fakeHealing{}, edge, method, target, body)
}

func askWith(healing *fakeHealing, edge Edge, method, target, body string) *httptest.ResponseRecorder {
	return send((&api{edge: edge, healing: healing.shown, healers: healing.steered, now: func() time.Time { return now }}).handler(), method, target, body)
}

func send(handler http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:50000"
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

const drain = `{"action": "drain", "author": "kim", "reason": "why"}`

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		says                       string
	}{
		{"no such page", "GET", "/fairlead/other", "", 404, "nothing is at"},
		{"wrong method", "POST", "/fairlead/pools", "", 405, "does not take POST"},
		{"accept by GET", "GET", "/fairlead/sources/accept?cluster=test", "", 405, "does not take GET"},
		{"unknown parameter", "GET", "/fairlead/snapshot?pretty=1", "", 400, `unknown parameter \"pretty\"`},
		{"parameter twice", "GET", "/fairlead/pools?limit=1&limit=2", "", 400, "given 2 times"},
		{"query that is none", "GET", "/fairlead/pools?prefix=%zz", "", 400, "reading the query"},
		{"limit of words", "GET", "/fairlead/pools?limit=all", "", 400, "cannot be read"},
		{"limit too high", "GET", "/fairlead/pools?limit=10001", "", 400, "cannot be read"},
		{"pools of an unknown cluster", "GET", "/fairlead/pools?cluster=stage", "", 404, "clusters here: live, test"},
		{"cursor in an unknown cluster", "GET", "/fairlead/pools?after=stage/a", "", 404, "clusters here: live, test"},
		{"unknown pool", "GET", "/fairlead/pools/none.example.com", "", 404, "no pool is named"},
		{"pool of another cluster", "GET", "/fairlead/pools/db.example.com?cluster=test", "", 404, "no pool is named"},
		{"explain without a host", "GET", "/fairlead/explain", "", 400, "no host is named"},
		{"explain for a client with a port", "GET", "/fairlead/explain?host=a.example.com&client=10.0.0.1:80", "", 400, "no IP address"},
		{"accept without a cluster", "POST", "/fairlead/sources/accept", "", 400, "no cluster is named"},
		{"accept with a misspelt service", "POST", "/fairlead/sources/accept?cluster=test&sevice=shop", "", 400, "unknown parameter"},
		{"accept in an unknown cluster", "POST", "/fairlead/sources/accept?cluster=stage", "", 404, "clusters here: live, test"},
		{"override without a body", "PUT", "/fairlead/overrides/live/web1/shop-1", "", 400, "reading the order: EOF"},
		{"unknown field", "PUT", "/fairlead/overrides/live/web1/shop-1", `{"action": "drain", "until": "x"}`, 400, "unknown field"},
		{"two bodies", "PUT", "/fairlead/overrides/live/web1/shop-1", drain + drain, 400, "something follows"},
		{"body too large", "PUT", "/fairlead/overrides/live/web1/shop-1", `{"reason": "` + strings.Repeat("x", mostBody) + `"}`, 413, "16 KiB"},
		{"reason too long", "PUT", "/fairlead/overrides/live/web1/shop-1", `{"action": "drain", "author": "kim", "reason": "` + strings.Repeat("é", 1001) + `"}`, 400, "reason is too long"},
		{"author too long", "PUT", "/fairlead/overrides/live/web1/shop-1", `{"action": "drain", "author": "` + strings.Repeat("é", 201) + `"}`, 400, "author is too long"},
		{"ttl that is none", "PUT", "/fairlead/overrides/live/web1/shop-1", `{"action": "drain", "author": "kim", "reason": "r", "ttl": "1d"}`, 400, "cannot be read"},
		{"ttl and expires", "PUT", "/fairlead/overrides/live/web1/shop-1", `{"action": "drain", "author": "kim", "reason": "r", "ttl": "1h", "expires": "2030-01-01T00:00:00Z"}`, 400, "both expires and ttl"},
		{"deleting what is not there", "DELETE", "/fairlead/overrides/live/web1/shop-1", "", 404, "no override is set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			edge := newFakeEdge()
			w := ask(edge, c.method, c.target, c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("got %d %s, want %d and %q", w.Code, w.Body, c.status, c.says)
			}
			var answer struct{ Error, Hint string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Error == "" || answer.Hint == "" {
				t.Errorf("%s tells no error and hint: %v", w.Body, err)
			}
			if got := w.Header().Get("X-Fairlead-Version"); got != "7" {
				t.Errorf("version header %q, want 7", got)
			}
			if len(edge.overrides) != 1 || len(edge.held) != 2 {
				t.Errorf("a refused request changed the edge: %v, %v", edge.overrides, edge.held)
			}
		})
	}
}

func TestNotAllowedNamesTheMethods(t *testing.T) {
	w := ask(newFakeEdge(), "GET", "/fairlead/overrides/live/web1/shop-1", "")
	if got := w.Header().Get("Allow"); w.Code != http.StatusMethodNotAllowed || got != "DELETE, PUT" {
		t.Errorf("got %d with Allow %q", w.Code, got)
	}
}

func TestOrdersThatFailBehindTheAPI(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{fmt.Errorf("%w: connection refused", state.ErrUnavailable), 503},
		{errors.New("what nobody thought of"), 503},
		{fmt.Errorf("storing: %w", state.ErrConflict), 409},
		{fmt.Errorf("%w instance", proxy.ErrUnknown), 404},
		{fmt.Errorf("%w: it has expired already", proxy.ErrBadOrder), 400},
	} {
		edge := newFakeEdge()
		edge.err = c.err
		for _, w := range []*httptest.ResponseRecorder{
			ask(edge, "PUT", "/fairlead/overrides/live/web1/shop-1", drain), ask(edge, "DELETE", "/fairlead/overrides/live/web2/shop-2", ""),
		} {
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.err.Error()) || !strings.Contains(w.Body.String(), "hint") {
				t.Errorf("%v: got %d %s, want %d", c.err, w.Code, w.Body, c.status)
			}
		}
	}
}

func TestOverrideOfAnInstanceWithEmptyParts(t *testing.T) {
	edge := newFakeEdge()
	w := ask(edge, "PUT", "/fairlead/overrides/live/web1/a%2F%2Fb%2F..%2Fc:80", drain)
	if _, set := edge.overrides["live/web1/a//b/../c:80"]; w.Code != http.StatusOK || !set {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestNotReady(t *testing.T) {
	edge := newFakeEdge()
	edge.unready = errors.New("shutting down")
	w := ask(edge, "GET", "/fairlead/ready", "")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "shutting down") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestPagingListsEachPoolOnce follows the cursors of a list through both clusters.
func TestPagingListsEachPoolOnce(t *testing.T) {
	edge := newFakeEdge()
	for limit := 1; limit <= 6; limit++ {
		var names []string
		for target := fmt.Sprintf("/fairlead/pools?limit=%d", limit); target != ""; {
			var page poolsView
			if err := json.Unmarshal(ask(edge, "GET", target, "").Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Pools {
				names = append(names, p.Cluster+"/"+p.Name)
			}
			target = ""
			if page.Next != "" {
				target = fmt.Sprintf("/fairlead/pools?limit=%d&after=%s", limit, page.Next)
			}
		}
		want := "live/*.apps.example.com live/db.example.com live/redis live/shop.example.com test/shop.example.com"
		if got := strings.Join(names, " "); got != want {
			t.Errorf("limit %d: got %s, want %s", limit, got, want)
		}
	}
}

// TestSnapshotIsEqualForOneVersion: what requests change is not in it.
func TestSnapshotIsEqualForOneVersion(t *testing.T) {
	edge := newFakeEdge()
	before := ask(edge, "GET", "/fairlead/snapshot", "").Body.String()
	for _, p := range edge.table.Load().Clusters[0].Exact {
		p.Meter.Requests.Add(1)
		p.Members[0].Meter.Acquire(0)
	}
	if after := ask(edge, "GET", "/fairlead/snapshot", "").Body.String(); after != before {
		t.Errorf("two answers of one version differ:\n%s\n%s", before, after)
	}
}

// BenchmarkLargeTable answers for 10,000 pools of three members each.
func BenchmarkLargeTable(b *testing.B) {
	edge := newFakeEdge()
	cluster := edge.table.Load().Clusters[0]
	for i := range 10000 {
		service := fmt.Sprintf("s%d.example.com", i)
		p := newPool("live", service, service, pool.Settings{"policy": "random"},
			newMember("live", "web1", service+"-1", "192.0.2.1", 10, pool.Active, ""),
			newMember("live", "web2", service+"-2", "192.0.2.2", 10, pool.Active, ""),
			newMember("live", "web3", service+"-3", "192.0.2.3", 9, pool.Active, ""),
		)
		cluster.Exact[service], cluster.Services[service] = p, p
	}
	for _, target := range []string{"/fairlead/snapshot", "/fairlead/pools?limit=10000", "/fairlead/pools/s77.example.com", "/fairlead/sources"} {
		b.Run(strings.TrimPrefix(target, "/fairlead/"), func(b *testing.B) {
			for b.Loop() {
				if w := ask(edge, "GET", target, ""); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
