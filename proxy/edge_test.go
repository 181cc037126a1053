package proxy

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

const first, second = "live/node/shop.example.com@1", "live/node/shop.example.com@2"

func TestDomainsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		e, _ := w.edge()
		ask := route.Ask{Host: "shop.example.com", Peer: netip.MustParseAddr("192.0.2.1")}
		if x := e.Explain(ask); x.Code != route.ClusterUnready {
			t.Errorf("before any facts: %s", x.Code)
		}

		w.say(w.live, "shop.example.com@10.1.0.1:80")
		x := e.Explain(ask)
		if x.Code != route.OK || x.Chosen != first {
			t.Fatalf("code %s, chosen %q: %s", x.Code, x.Chosen, x.Reason)
		}
		if f := e.Facts("live"); f == nil || f.Services["shop.example.com"] == nil {
			t.Errorf("facts of live: %+v", f)
		}
		if f := e.Facts("nobody"); f != nil {
			t.Errorf("facts of an unknown cluster: %+v", f)
		}

		w.say(w.live)
		if x := e.Explain(ask); x.Code != route.NoDomain {
			t.Errorf("after it went: %s", x.Code)
		}
		for _, line := range []string{"cluster ready", "domain came", "member active", "domain went", "member went"} {
			if n := w.log.count(`msg="`+line, "cluster=live"); n != 1 {
				t.Errorf("%d lines %q, want 1:\n%s", n, line, w.log)
			}
		}
	})
}

func TestExplainNamesWhatTheHashChooses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		e, _ := w.edge()
		for on, same := range map[string]func(*route.Ask){
			"client_ip":    func(a *route.Ask) { a.Path = "/other" },
			"path":         func(a *route.Ask) { a.Peer = netip.MustParseAddr("192.0.2.77") },
			"host":         func(a *route.Ask) { a.Path, a.Peer = "/other", netip.MustParseAddr("192.0.2.77") },
			"header X-Who": func(a *route.Ask) { a.Path = "/other" },
		} {
			w.config.Clusters[0].Domains = map[string]pool.Settings{"shop.example.com": {"policy": "hash", "hash_on": on}}
			e, _ = w.edge()
			w.say(w.live, "shop.example.com@10.1.0.1:80", "shop.example.com@10.1.0.2:80", "shop.example.com@10.1.0.3:80")
			ask := route.Ask{Host: "shop.example.com", Path: "/a", Peer: netip.MustParseAddr("192.0.2.1")}
			chosen := e.Explain(ask).Chosen
			same(&ask)
			if again := e.Explain(ask).Chosen; chosen == "" || again != chosen {
				t.Errorf("hash on %s: chosen %q, then %q", on, chosen, again)
			}
		}
	})
}

// What the process knows of members outlives a configuration, and so do its versions.
func TestReloadForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		old, stop := w.edge()
		w.say(w.live, "shop.example.com@10.1.0.1:80", "shop.example.com@10.1.0.2:80")
		p := old.Table().Load().Clusters[0].Exact["shop.example.com"]
		for range p.Spec.EjectFailures {
			w.shared.passive.Failed(p, p.Members[0], "connection refused")
		}
		after(0)
		if m := member(t, old, first); m.State != pool.Down || !strings.Contains(m.Reason, "connection refused") {
			t.Fatalf("not ejected: %s, %s", m.State, m.Reason)
		}
		version := old.Table().Load().Version

		next, _ := w.edge()
		if m := member(t, next, first); m.State != pool.Down || m.Meter != p.Members[0].Meter {
			t.Errorf("the next configuration starts without the verdict, or with another meter: %s", m.State)
		}
		if v := next.Table().Load().Version; v < version {
			t.Errorf("the version fell from %d to %d", version, v)
		}
		stop()
		after(p.Spec.EjectFor + time.Second)
		if m := member(t, next, first); m.State != pool.Active {
			t.Errorf("the ejection does not end: %s, %s", m.State, m.Reason)
		}
		if w.log.count("domain came") != 1 {
			t.Errorf("a reload tells of domains that were there before:\n%s", w.log)
		}
	})
}

// Slow start and expiry need builds although nothing changes.
func TestBuildsWhenTheLastSnapshotAsksForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		w.config.Clusters[0].Defaults = pool.Settings{"slow_start": "10s"}
		e, _ := w.edge()
		w.say(w.live, "shop.example.com@10.1.0.1:80")
		after(time.Minute)
		w.say(w.live, "shop.example.com@10.1.0.1:80", "shop.example.com@10.1.0.2:80")
		share := func() float64 {
			return float64(member(t, e, second).Weight) / float64(member(t, e, first).Weight)
		}
		if s := share(); s > 0.2 {
			t.Errorf("the new member starts with %.2f of the old one's weight", s)
		}
		after(5 * time.Second)
		if s := share(); s < 0.3 || s > 0.7 {
			t.Errorf("half way it has %.2f of the old one's weight", s)
		}
		after(6 * time.Second)
		if s := share(); s != 1 {
			t.Errorf("at the end it has %.2f of the old one's weight", s)
		}
		version := e.Table().Load().Version
		after(time.Minute)
		if v := e.Table().Load().Version; v != version {
			t.Errorf("%d snapshots although nothing changed", v-version)
		}
	})
}

func TestBurstsAreBuiltTogetherAndSingleChangesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		w.config.BuildGap = 10 * time.Millisecond
		e, _ := w.edge()
		w.say(w.live)
		after(time.Second)
		before := e.Table().Load().Version
		w.tell(w.live, "a.example.com@10.1.0.1:80") // no time passes in here
		if v := e.Table().Load().Version; v != before+1 {
			t.Fatalf("a single change made %d snapshots at once, want 1", v-before)
		}
		after(time.Second)

		before = e.Table().Load().Version
		var copies []string
		for i := range 100 {
			copies = append(copies, "a.example.com@"+netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, 0, byte(i)}), 80).String())
			w.tell(w.live, copies...)
			after(time.Millisecond)
		}
		after(time.Second)
		if made := e.Table().Load().Version - before; made < 8 || made > 12 {
			t.Errorf("100 changes in 100 ms made %d snapshots, want about 10", made)
		}
		if n := len(e.Table().Load().Clusters[0].Exact["a.example.com"].Members); n != 100 {
			t.Errorf("the last change was lost: %d members", n)
		}
	})
}

func TestAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		e, _ := w.edge()
		if n, err := e.Accept("live", ""); n != 0 || err != nil {
			t.Errorf("nothing is held: %d, %v", n, err)
		}
		if _, err := e.Accept("nobody", ""); err == nil || err.Error() != `unknown cluster "nobody"` {
			t.Errorf("unknown cluster: %v", err)
		}
	})
}

func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		unprimed, err := New(w.shared, w.config)
		if err != nil {
			t.Fatal(err)
		}
		e, _ := w.edge()
		wants := func(e *Edge, want string) {
			t.Helper()
			if err := e.Ready(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("Ready says %v, want %q", err, want)
			}
		}
		wants(unprimed, "first snapshot")
		wants(e, "cluster live has had no facts")
		w.say(w.test, "shop.example.com@10.1.0.1:80")
		wants(e, "cluster live has had no facts")
		w.say(w.live)
		wants(e, "")
		e.Shutdown()
		wants(e, "shutting down")

		w.config.Clusters = w.config.Clusters[1:]
		w.config.Clusters[0].Catalog = discovery.NewCatalog("test", nil, discovery.CatalogOptions{})
		prefixed, err := New(w.shared, w.config)
		if err != nil {
			t.Fatal(err)
		}
		prefixed.Prime()
		wants(prefixed, "none of the clusters [test] has had facts yet")
	})
}

func TestConfigIsRefused(t *testing.T) {
	catalog := discovery.NewCatalog("live", nil, discovery.CatalogOptions{})
	cluster := func(name, prefix string) Cluster {
		return Cluster{ClusterConfig: pool.ClusterConfig{Name: name, Prefix: prefix}, Catalog: catalog}
	}
	for want, clusters := range map[string][]Cluster{
		"no cluster is configured":                         nil,
		"cluster number 1 has no name":                     {cluster("", "")},
		`cluster name "a/b" has a slash`:                   {cluster("a/b", "")},
		"two clusters are named live":                      {cluster("live", ""), cluster("live", "test.")},
		`clusters live and test have the same prefix "t."`: {cluster("live", "t."), cluster("test", "t.")},
		"cluster test has no catalog":                      {cluster("live", ""), {ClusterConfig: pool.ClusterConfig{Name: "test", Prefix: "t."}}},
	} {
		if _, err := New(NewShared(SharedOptions{}), Config{Clusters: clusters}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
