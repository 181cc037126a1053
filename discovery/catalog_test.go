package discovery

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCatalogMergesSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newScript("a"), newScript("b")
		c := run(t, CatalogOptions{}, a, b)
		b.say(Update{Services: services("shop: n2/s2 n1/s1@late", "db: n1/d1"), Complete: true})
		if f := c.Facts(); f.Ready || f.Sources[0].Ready || !f.Sources[1].Ready || f.Sources[1].Name != "b" {
			t.Errorf("after one of two sources: %+v", f)
		}
		expect(t, c, "db: n1/d1", "shop: n1/s1@late n2/s2")
		a.say(Update{Services: services("shop: n1/s1@first n3/s3"), Complete: true})
		if !c.Facts().Ready {
			t.Error("not ready although both sources are complete")
		}
		expect(t, c, "db: n1/d1", "shop: n1/s1@first n2/s2 n3/s3")
		a.say(Update{Services: services("shop:")})
		expect(t, c, "db: n1/d1", "shop: n1/s1@late n2/s2")
		a.say(Update{Services: services("shop: n1/s1@late")})
		time.Sleep(3 * time.Second)
		b.say(Update{Complete: true})
		expect(t, c, "shop: n1/s1@late") // two of three have left
	})
}

func TestCatalogKeepsPointersAndVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newScript("a"), newScript("b")
		c := run(t, CatalogOptions{}, a, b)
		b.say(Update{Services: services("shop: n9/s9"), Complete: true})
		a.say(Update{Services: services("shop: n1/s1 n2/s2", "db: n1/d1"), Complete: true})
		changed, cancel := c.Subscribe()
		defer cancel()
		before := c.Facts()

		again := services("shop: n2/s2 n1/s1", "db: n1/d1")
		again["shop"].Index = 77
		a.say(Update{Services: again, Complete: true, Status: SourceStatus{LastAnswer: time.Now(), Index: 77}})
		after := c.Facts()
		if after.Version != before.Version || after.Services["shop"] != before.Services["shop"] || after.Services["db"] != before.Services["db"] {
			t.Errorf("equal facts made something new: version %d → %d", before.Version, after.Version)
		}
		if after.Sources[0].Index != 77 {
			t.Error("the fresh status is not shown")
		}
		if len(changed) != 0 {
			t.Error("a sign of life woke the subscriber")
		}
		a.say(Update{})
		if c.Facts() == after {
			t.Error("the status is not replaced")
		}
		a.say(Update{Services: services("db: n1/d1@moved")})
		if f := c.Facts(); f.Version != before.Version+1 || f.Services["shop"] != before.Services["shop"] {
			t.Errorf("one change: version %d → %d", before.Version, f.Version)
		}
		if len(changed) != 1 {
			t.Error("a change did not wake the subscriber")
		}
		<-changed
		a.say(Update{Status: SourceStatus{Doubts: []Doubt{{Kind: SourceDoubt, Reason: "no leader"}}}})
		if f := c.Facts(); f.Version != before.Version+1 || !f.InDoubt() || len(changed) != 1 {
			t.Errorf("a source's doubt: version %d, in doubt %v, %d triggers", f.Version, f.InDoubt(), len(changed))
		}
		<-changed
		cancel()
		a.say(Update{Services: services("db: n1/d1")})
		if len(changed) != 0 {
			t.Error("woken after cancel")
		}
	})
}

func TestCatalogStatusIsReplacedWithoutStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newScript("a")
		c := run(t, CatalogOptions{}, a)
		a.say(Update{Services: services("shop: n1/s1"), Complete: true, Status: SourceStatus{Watches: 1}})
		before := c.Facts()
		a.say(Update{Status: SourceStatus{Watches: 1}})
		if c.Facts() != before {
			t.Error("an equal status made new facts")
		}
	})
}

func TestCatalogSourceGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newScript("a"), newScript("b")
		c := run(t, CatalogOptions{}, a, b)
		a.say(Update{Services: services("shop: n1/s1"), Complete: true})
		a.end <- errors.New("no such datacenter")
		synctest.Wait()
		expect(t, c, "shop: n1/s1")
		if d := c.Facts().Sources[0].Doubts; len(d) != 1 || !strings.Contains(d[0].Reason, "no such datacenter") {
			t.Errorf("doubts %v", d)
		}
		b.say(Update{Services: services("db: n1/d1"), Complete: true})
		expect(t, c, "db: n1/d1", "shop: n1/s1")
	})
}
