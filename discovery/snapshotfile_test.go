package discovery

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/discovery/state"
)

// life runs a catalog over scripts of the given names on a snapshot file, restored and within a bubble, until body returns.
func life(t *testing.T, file string, names []string, body func(c *Catalog, sources []*script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var sources []*script
		for _, name := range names {
			sources = append(sources, newScript(name))
		}
		c := newCatalog(CatalogOptions{File: file}, sources...)
		if err := c.Restore(); err != nil {
			t.Error(err)
		}
		start(t, c)
		body(c, sources)
	})
}

func TestFactsSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.json")
	life(t, file, []string{"a", "b"}, func(c *Catalog, s []*script) {
		if c.Facts().Ready {
			t.Error("ready without facts")
		}
		if known := <-s[0].known; known != nil {
			t.Errorf("known is %v", known)
		}
		s[0].say(Update{Services: services("shop: n1/s1 n2/s2"), Complete: true})
		s[1].say(Update{Services: services("shop: n3/s3", "db: n1/d1"), Complete: true})
	})
	life(t, file, []string{"a", "b"}, func(c *Catalog, s []*script) {
		inDoubt := func(when string, want bool) {
			t.Helper()
			if f := c.Facts(); !f.Ready || f.InDoubt() != want {
				t.Errorf("%s: ready %v, in doubt %v; want true, %v", when, f.Ready, f.InDoubt(), want)
			}
		}
		inDoubt("restored only", true)
		expect(t, c, "db: n1/d1?", "shop: n1/s1? n2/s2? n3/s3?")
		want := "restored from the snapshot file of 2000-01-01T00:00:00Z, not confirmed since"
		if held := c.Facts().Services["db"].Instances[0].Held; held != want {
			t.Errorf("held is %q", held)
		}
		if known := <-s[1].known; show(&Facts{Services: known}) != "db: n1/d1?\nshop: n3/s3?" {
			t.Errorf("b knows %v", known)
		}
		s[0].say(Update{Services: services("shop: n1/s1")})
		expect(t, c, "db: n1/d1?", "shop: n1/s1 n3/s3?")
		s[1].say(Update{Services: services("shop: n3/s3", "db: n1/d1"), Complete: true})
		expect(t, c, "db: n1/d1", "shop: n1/s1 n3/s3")
		inDoubt("one of two sources has answered completely", true)
		s[0].say(Update{Services: services("shop: n1/s1"), Complete: true})
		expect(t, c, "db: n1/d1", "shop: n1/s1 n3/s3")
		inDoubt("both have", false)
	})
}

func TestFirstCompleteAnswerMayBeAMass(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.json")
	life(t, file, []string{"a"}, func(c *Catalog, s []*script) {
		s[0].say(Update{Services: services(six, "old: n1/o!"), Complete: true})
	})
	life(t, file, []string{"a"}, func(c *Catalog, s []*script) {
		s[0].say(Update{Complete: true})
		expect(t, c, six_)
		time.Sleep(10 * time.Minute)
	})
	life(t, file, []string{"a"}, func(c *Catalog, s []*script) { // the bubble's clock starts anew: the mass is 10 minutes younger
		expect(t, c, six_)
		if f := c.Facts(); !f.Ready || len(f.Doubts) != 1 || !f.InDoubt() {
			t.Errorf("ready %v, doubts %v", f.Ready, f.Doubts)
		}
		s[0].say(Update{Services: services("shop: n1/s1"), Complete: true})
		expect(t, c, "shop: n1/s1 n1/s2? n2/s3? n2/s4? n3/s5? n3/s6?")
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		expect(t, c, "shop: n1/s1")
	})
}

func TestUnconfirmedFactsKeepTheirAge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.json")
	life(t, file, []string{"a"}, func(_ *Catalog, s []*script) { s[0].say(Update{Services: services("shop: n1/s1"), Complete: true}) })
	life(t, file, []string{"a"}, func(*Catalog, []*script) { time.Sleep(time.Hour) })
	life(t, file, []string{"a"}, func(c *Catalog, _ []*script) {
		if held := c.Facts().Services["shop"].Instances[0].Held; !strings.Contains(held, "2000-01-01T00:00:00Z") {
			t.Errorf("held is %q", held)
		}
	})
}

func TestRestoredFactsTellWhoSharedAnAddress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.json")
	life(t, file, []string{"a", "b"}, func(_ *Catalog, s []*script) {
		s[0].say(Update{Services: services("shop: n1/s1@192.0.2.1 n1/s2@192.0.2.2", "www: n1/w1@192.0.2.1"), Complete: true})
		s[1].say(Update{Services: services("db: n1/d1@192.0.2.1 n1/d2"), Complete: true})
	})
	life(t, file, []string{"a", "b"}, func(c *Catalog, s []*script) {
		s[0].say(Update{Services: services("shop: n1/s2@192.0.2.1", "www: n1/w1@192.0.2.1"), Complete: true})
		synctest.Wait()
		shared := c.Facts().Shared
		for _, id := range []string{"live/n1/s1", "live/n1/w1", "live/n1/d1"} {
			if was := shared[id]; len(was) != 1 || was[0].Address != "192.0.2.1" || was[0].Held == "" {
				t.Errorf("%s was restored as %+v", id, was)
			}
		}
		if len(shared) != 3 {
			t.Errorf("%d instances shared an address", len(shared))
		}
	})
}

func TestOtherSourcesFactsAreNotRestored(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.json")
	life(t, file, []string{"a"}, func(_ *Catalog, s []*script) { s[0].say(Update{Services: services("shop: n1/s1"), Complete: true}) })
	life(t, file, []string{"b"}, func(c *Catalog, s []*script) {
		if f := c.Facts(); f.Ready || len(f.Services) != 0 {
			t.Errorf("restored %s", show(f))
		}
	})
}

func TestFileIsSavedAtMostEverySaveEvery(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.json")
	saved := func() string {
		content, err := readFile(file, "live")
		if err != nil {
			return err.Error()
		}
		return show(&Facts{Services: content.Sources[0].Services})
	}
	life(t, file, []string{"a"}, func(_ *Catalog, s []*script) {
		time.Sleep(10 * time.Second)
		if _, err := os.Stat(file); err == nil {
			t.Error("an empty catalog was saved")
		}
		s[0].say(Update{Services: services("shop: n1/s1"), Complete: true})
		if got := saved(); got != "shop: n1/s1?" {
			t.Errorf("the first change: %s", got)
		}
		time.Sleep(time.Second)
		s[0].say(Update{Services: services("shop: n1/s2")})
		if got := saved(); got != "shop: n1/s1?" {
			t.Errorf("a second later: %s", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := saved(); got != "shop: n1/s2?" {
			t.Errorf("after SaveEvery: %s", got)
		}
		time.Sleep(time.Second)
		s[0].say(Update{Services: services("shop: n1/s3")})
	})
	if got := saved(); got != "shop: n1/s3?" {
		t.Errorf("at the end: %s", got)
	}
}

func TestUnwritableFileIsTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "live.json")
	synctest.Test(t, func(t *testing.T) {
		a := newScript("a")
		c := run(t, CatalogOptions{File: file}, a)
		a.say(Update{Services: services("shop: n1/s1"), Complete: true})
		expect(t, c, "shop: n1/s1")
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	})
}

func TestBrokenFileIsAnErrorAndNoFacts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "live.json")
	life(t, file, []string{"a"}, func(_ *Catalog, s []*script) { s[0].say(Update{Services: services(six), Complete: true}) })
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.json")
	for n := range whole {
		if err := os.WriteFile(broken, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		c := NewCatalog("live", []Source{newScript("a")}, CatalogOptions{File: broken})
		if err := c.Restore(); err == nil || !strings.Contains(err.Error(), broken) || c.Facts().Ready {
			t.Fatalf("%d of %d bytes: %v, ready %v", n, len(whole), err, c.Facts().Ready)
		}
	}
	c := NewCatalog("test", []Source{newScript("a")}, CatalogOptions{File: file})
	if err := c.Restore(); err == nil || !strings.Contains(err.Error(), `the file is of cluster "live"`) {
		t.Errorf("another cluster's file: %v", err)
	}
}

// A broken file stops nothing: the catalog runs, and replaces the file when it has facts. The broken one is kept, the newest of them.
func TestBrokenFileIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.json")
	for name, text := range map[string]string{file: "garbage", file + ".broken": "an older one"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		a := newScript("a")
		c := newCatalog(CatalogOptions{File: file}, a)
		if err := c.Restore(); err == nil || !strings.Contains(err.Error(), "kept as "+file+".broken") {
			t.Errorf("error %v", err)
		}
		start(t, c)
		a.say(Update{Services: services("shop: n1/s1"), Complete: true})
		expect(t, c, "shop: n1/s1")
		if _, err := readFile(file, "live"); err != nil {
			t.Error(err)
		}
	})
	if text, err := os.ReadFile(file + ".broken"); string(text) != "garbage" {
		t.Errorf("kept is %q, %v", text, err)
	}
}

func TestRestoreWithoutFile(t *testing.T) {
	for _, file := range []string{"", filepath.Join(t.TempDir(), "none.json")} {
		c := NewCatalog("live", nil, CatalogOptions{File: file})
		if err := c.Restore(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add([]byte(`{"cluster":"live","saved":"2026-11-23T09:00:00Z","sources":[{"name":"a","services":{"shop":{"name":"shop","instances":[{"id":"live/n1/s1","health":"passing"}]}}}]}`))
	f.Add([]byte(`{"cluster":"live","sources":[{"name":"a","services":{"shop":null}}],"masses":[{"until":"2999-01-01T00:00:00Z","instances":[{"id":"x"},{"id":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		file := filepath.Join(t.TempDir(), "live.json")
		if err := state.WriteFile(file, fileKind, fileVersion, raw(document)); err != nil {
			return
		}
		c := NewCatalog("live", []Source{newScript("a")}, CatalogOptions{File: file})
		if err := c.Restore(); err != nil {
			if !strings.Contains(err.Error(), file) || len(c.Facts().Services) > 0 {
				t.Errorf("error %v, facts %s", err, show(c.Facts()))
			}
			return
		}
		c.Accept("")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// raw is JSON that is written as it is.
type raw []byte

func (r raw) MarshalJSON() ([]byte, error) { return r, nil }
