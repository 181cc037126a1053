package proxy

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	inside  = netip.MustParseAddr("10.9.9.9")
	outside = netip.MustParseAddr("192.0.2.1")
)

// allowed checks what CertificateAllowed says: want is part of the reason, empty for a yes.
func allowed(t *testing.T, e *Edge, name string, client netip.Addr, want string) {
	t.Helper()
	err := e.CertificateAllowed(name, client)
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s for %s: %v, want %q", name, client, err, want)
	}
}

func TestCertificatesForWhatIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		e, _ := w.edge()
		allowed(t, e, "shop.example.com", outside, "cluster live has had no facts yet")
		w.say(w.live, "shop.example.com@10.1.0.1:80", "redis@10.1.0.2:6379")
		w.say(w.test, "shop.example.com@10.2.0.1:80")

		allowed(t, e, "shop.example.com", outside, "")
		allowed(t, e, "SHOP.example.com.", outside, "")
		allowed(t, e, "shop.example.com", netip.Addr{}, "")
		allowed(t, e, "other.example.com", outside, "no service of cluster live claims other.example.com, nor was it served within")
		allowed(t, e, "redis", outside, "redis")
		allowed(t, e, "bad_name!", outside, "not a host name")
		allowed(t, e, "", outside, "no certificate")
		allowed(t, e, "192.0.2.7", outside, "no certificate")
		allowed(t, e, "test.shop.example.com", inside, "")
		allowed(t, e, "test.shop.example.com", outside, "not on its access list")
		allowed(t, e, "test.shop.example.com", netip.Addr{}, "access list")
	})
}

func TestCertificatesForWhatWasServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		w.config.Certificates.Keep = 24 * time.Hour
		w.config.Memory.RefreshEvery = 6 * time.Hour
		e, _ := w.edge()
		w.say(w.live, "shop.example.com@10.1.0.1:80")
		w.say(w.test, "shop.example.com@10.2.0.1:80")
		after(48 * time.Hour)
		w.say(w.live)
		w.say(w.test)
		after(23 * time.Hour)
		allowed(t, e, "shop.example.com", outside, "")
		allowed(t, e, "test.shop.example.com", inside, "")
		allowed(t, e, "test.shop.example.com", outside, "not on its access list")
		after(2 * time.Hour)
		allowed(t, e, "shop.example.com", outside, "nor was it served within the last 24h0m0s")
	})
}

// A name that another cluster served before the prefixes were changed is not remembered for this one.
func TestSightingsBindTheirCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		_, stop := w.edge()
		w.say(w.test, "shop.example.com@10.2.0.1:80")
		w.say(w.test)
		stop()
		w.config.Clusters = w.config.Clusters[:1]
		e, _ := w.edge()
		allowed(t, e, "test.shop.example.com", outside, "no certificate")
	})
}

func TestCertificatesBelowAWildcard(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.config.Certificates.WildcardNames = 3
		e, stop := w.edge()
		w.say(w.live, "pages=*.example.com@10.1.0.1:80", "shop.example.com@10.1.0.2:80")
		if len(e.Table().Load().Clusters[0].Wildcard) != 1 {
			t.Fatalf("no wildcard in the snapshot:\n%s", w.log)
		}
		for i := range 3 {
			allowed(t, e, fmt.Sprintf("n%d.example.com", i), outside, "")
			after(10 * time.Minute)
		}
		allowed(t, e, "n3.example.com", outside, "3 new names below *.example.com have got one within the last 1h0m0s")
		allowed(t, e, "n1.example.com", outside, "")
		allowed(t, e, "shop.example.com", outside, "")
		after(31 * time.Minute) // an hour after the first one
		allowed(t, e, "n3.example.com", outside, "")
		allowed(t, e, "n4.example.com", outside, "within the last")
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.config.Certificates.WildcardNames = 3
		e, _ := w.edge()
		w.say(w.live) // the wildcard is gone, but was seen not long ago
		allowed(t, e, "n3.example.com", outside, "")
	})
}

// TestHandshakesForNamesOfOthers: a certificate in memory is for those who may have it, and other names are none of ours.
func TestHandshakesForNamesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir())
		e, _ := w.edge()
		w.say(w.live, "shop.example.com@10.1.0.1:80")
		w.say(w.test, "shop.example.com@10.1.0.2:80")
		check := func(when string) {
			t.Helper()
			for _, c := range []struct {
				name    string
				client  netip.Addr
				allowed bool
			}{
				{"shop.example.com", outside, true},
				{"test.shop.example.com", inside, true},
				{"test.shop.example.com", outside, false},
				{"TEST.shop.example.com", outside, false},
				{"test.shop.example.com", netip.Addr{}, false},
				{"test.site.example.com", outside, true},
				{"", outside, true},
			} {
				if err := e.HandshakeAllowed(c.name, c.client); (err == nil) != c.allowed {
					t.Errorf("%s: %q for %s: %v", when, c.name, c.client, err)
				}
			}
		}
		check("served")
		w.say(w.test)
		check("gone")
	})
}

func TestGrantsSurviveARestart(t *testing.T) {
	s := newSightings()
	now := time.Unix(1000000, 0)
	if ok, fresh := s.grant("a.example.com", "*.example.com", now, 1, time.Hour); !ok || !fresh {
		t.Fatal("the first name is refused")
	}
	next := newSightings()
	next.restore(s.copies())
	if ok, _ := next.grant("b.example.com", "*.example.com", now.Add(time.Minute), 1, time.Hour); ok {
		t.Error("a restart makes room for another name")
	}
	if ok, fresh := next.grant("a.example.com", "*.example.com", now.Add(time.Minute), 1, time.Hour); !ok || fresh {
		t.Error("a restart forgets a granted name")
	}
	next.forget(now.Add(30 * time.Second))
	if _, granted := next.copies(); len(granted) != 1 {
		t.Error("a name that was asked for since is forgotten")
	}
	next.forget(now.Add(time.Hour))
	if _, granted := next.copies(); len(granted) != 0 {
		t.Error("a name that nobody asks for is kept")
	}
}

func TestBrokenMemoryIsToldAndReplaced(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "edge.json")
	if err := os.WriteFile(file, []byte("{cut sho"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		_, stop := w.edge()
		if w.log.count("memory not restored", file, "kept as "+file+".broken", "starting without") != 1 {
			t.Errorf("the broken file is not told of:\n%s", w.log)
		}
		w.say(w.live, "shop.example.com@10.1.0.1:80")
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		e, _ := w.edge()
		if w.log.count("memory not restored") != 0 {
			t.Errorf("the file was not replaced:\n%s", w.log)
		}
		w.say(w.live)
		allowed(t, e, "shop.example.com", outside, "")
	})
	if kept, err := os.ReadFile(file + ".broken"); string(kept) != "{cut sho" {
		t.Errorf("kept is %q, %v", kept, err)
	}
}

func TestMemoryThatCannotBeSaved(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dir)
		w.config.Memory.File = filepath.Join(dir, "file", "edge.json")
		e, _ := w.edge()
		w.say(w.live, "shop.example.com@10.1.0.1:80")
		if w.log.count("memory not saved") == 0 {
			t.Error("nobody is told")
		}
		allowed(t, e, "shop.example.com", outside, "")
	})
}
