package discovery

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// step is one row of a table of answers: after wait, a source says say, ports close, an operator accepts; then facts are want.
type step struct {
	wait    time.Duration
	say     []string // an update of these services; nil for none
	full    bool     // it is complete
	trusted bool
	close   []string
	accept  string // a service, or "*"
	want    []string
	doubts  int
}

const (
	six   = "shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5 n3/s6"
	six_  = "shop: n1/s1? n1/s2? n2/s3? n2/s4? n3/s5? n3/s6?"
	empty = "shop:"
)

func TestCatalogDoubts(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"one of six goes at once", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}},
		}},
		{"two of two are no mass", []step{
			{say: []string{"shop: n1/s1 n1/s2"}, full: true, want: []string{"shop: n1/s1 n1/s2"}},
			{full: true, say: []string{}},
		}},
		{"three of seven are no mass", []step{
			{say: []string{six, "db: n4/d"}, full: true, want: []string{"db: n4/d", six}},
			{say: []string{"shop: n1/s1 n2/s3 n3/s5"}, want: []string{"db: n4/d", "shop: n1/s1 n2/s3 n3/s5"}},
		}},
		{"all at once are held, and return", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{}, full: true, want: []string{six_}, doubts: 1},
			{wait: time.Minute, want: []string{six_}, doubts: 1},
			{say: []string{"shop: n1/s1 n1/s2@moved"}, want: []string{"shop: n1/s1 n1/s2@moved n2/s3? n2/s4? n3/s5? n3/s6?"}, doubts: 1},
			{say: []string{six}, full: true, want: []string{six}},
		}},
		{"half of them are held until the hold ends", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{"shop: n1/s1 n2/s3 n3/s5"}, want: []string{"shop: n1/s1 n1/s2? n2/s3 n2/s4? n3/s5 n3/s6?"}, doubts: 1},
			{wait: 15*time.Minute - time.Second, want: []string{"shop: n1/s1 n1/s2? n2/s3 n2/s4? n3/s5 n3/s6?"}, doubts: 1},
			{wait: 2 * time.Second, want: []string{"shop: n1/s1 n2/s3 n3/s5"}},
		}},
		{"one by one within the window, those let go come back as held", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{"shop: n1/s2 n2/s3 n2/s4 n3/s5 n3/s6"}, want: []string{"shop: n1/s2 n2/s3 n2/s4 n3/s5 n3/s6"}},
			{wait: time.Second, say: []string{"shop: n1/s2 n2/s4 n3/s5 n3/s6"}, want: []string{"shop: n1/s2 n2/s4 n3/s5 n3/s6"}},
			{wait: time.Second, say: []string{"shop: n1/s2 n2/s4 n3/s6"}, want: []string{"shop: n1/s1? n1/s2 n2/s3? n2/s4 n3/s5? n3/s6"}, doubts: 1},
			{wait: time.Second, say: []string{"shop: n1/s2 n2/s4"}, want: []string{"shop: n1/s1? n1/s2 n2/s3? n2/s4 n3/s5? n3/s6?"}, doubts: 1},
			{accept: "*", want: []string{"shop: n1/s2 n2/s4"}},
		}},
		{"one by one slower than the window", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{"shop: n1/s2 n2/s3 n2/s4 n3/s5 n3/s6"}, want: []string{"shop: n1/s2 n2/s3 n2/s4 n3/s5 n3/s6"}},
			{wait: 1100 * time.Millisecond, say: []string{"shop: n1/s2 n2/s4 n3/s5 n3/s6"}, want: []string{"shop: n1/s2 n2/s4 n3/s5 n3/s6"}},
			{wait: 1100 * time.Millisecond, say: []string{"shop: n1/s2 n2/s4 n3/s6"}, want: []string{"shop: n1/s2 n2/s4 n3/s6"}},
		}},
		{"newcomers within the window do not thin out a mass", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4"}},
			{say: []string{"db: n7/a n7/b n7/c n7/d"}, want: []string{"db: n7/a n7/b n7/c n7/d", "shop: n1/s1 n1/s2 n2/s3 n2/s4"}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3"}, want: []string{"db: n7/a n7/b n7/c n7/d", "shop: n1/s1 n1/s2 n2/s3 n2/s4? n3/s5? n3/s6?"}, doubts: 1},
		}},
		{"one that returns within the window does not count", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4"}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n3/s5"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n3/s5"}},
		}},
		{"the same one coming and going is one", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}},
			{say: []string{six}, want: []string{six}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}},
			{say: []string{six}, want: []string{six}},
			{say: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}, want: []string{"shop: n1/s1 n1/s2 n2/s3 n2/s4 n3/s5"}},
		}},
		{"critical ones vanish without doubt", []step{
			{say: []string{"shop: n1/s1! n1/s2! n2/s3! n2/s4"}, full: true, want: []string{"shop: n1/s1! n1/s2! n2/s3! n2/s4"}},
			{say: []string{"shop: n2/s4"}, want: []string{"shop: n2/s4"}},
		}},
		{"a node with all its instances", []step{
			{say: []string{"a: n1/a1 n2/a2 n3/a3 n4/a4", "b: n1/b1 n2/b2 n3/b3 n4/b4", "c: n1/c1 n2/c2 n3/c3 n4/c4"}, full: true,
				want: []string{"a: n1/a1 n2/a2 n3/a3 n4/a4", "b: n1/b1 n2/b2 n3/b3 n4/b4", "c: n1/c1 n2/c2 n3/c3 n4/c4"}},
			{say: []string{"a: n2/a2 n3/a3 n4/a4", "b: n2/b2 n3/b3"},
				want: []string{"a: n2/a2 n3/a3 n4/a4", "b: n2/b2 n3/b3", "c: n1/c1 n2/c2 n3/c3 n4/c4"}},
			{say: []string{"c: n2/c2 n3/c3 n4/c4"},
				want: []string{"a: n1/a1? n2/a2 n3/a3 n4/a4", "b: n1/b1? n2/b2 n3/b3", "c: n1/c1? n2/c2 n3/c3 n4/c4"}, doubts: 1},
		}},
		{"those that refuse connections go at the first probe", []step{
			{say: []string{six}, full: true, close: []string{"s1:80", "s2:80"}, want: []string{six}},
			{say: []string{empty}, want: []string{"shop: n2/s3? n2/s4? n3/s5? n3/s6?"}, doubts: 1},
			{close: []string{"s3:80"}, want: []string{"shop: n2/s3? n2/s4? n3/s5? n3/s6?"}, doubts: 1},
			{wait: 5 * time.Second, want: []string{"shop: n2/s4? n3/s5? n3/s6?"}, doubts: 1},
			{wait: 5 * time.Second, close: []string{"s4:80", "s5:80", "s6:80"}, want: []string{"shop: n2/s4? n3/s5? n3/s6?"}, doubts: 1},
			{wait: 5 * time.Second},
		}},
		{"a service scaled to zero among others", []step{
			{say: []string{"a: n1/a1 n2/a2 n3/a3 n4/a4", "b: n1/b1 n2/b2 n3/b3 n4/b4", "c: n1/c1"}, full: true,
				want: []string{"a: n1/a1 n2/a2 n3/a3 n4/a4", "b: n1/b1 n2/b2 n3/b3 n4/b4", "c: n1/c1"}},
			{say: []string{"a:"}, want: []string{"b: n1/b1 n2/b2 n3/b3 n4/b4", "c: n1/c1"}},
		}},
		{"an operator accepts one service", []step{
			{say: []string{"a: n1/a1 n2/a2", "b: n1/b1 n2/b2"}, full: true, want: []string{"a: n1/a1 n2/a2", "b: n1/b1 n2/b2"}},
			{say: []string{}, full: true, want: []string{"a: n1/a1? n2/a2?", "b: n1/b1? n2/b2?"}, doubts: 1},
			{accept: "a", want: []string{"b: n1/b1? n2/b2?"}, doubts: 1},
			{accept: "b"},
		}},
		{"new facts commit while a mass is held", []step{
			{say: []string{six}, full: true, want: []string{six}},
			{say: []string{}, full: true, want: []string{six_}, doubts: 1},
			{say: []string{"db: n1/d1", "shop: n9/s9"}, want: []string{"db: n1/d1", six_ + " n9/s9"}, doubts: 1},
			{wait: 15 * time.Minute, want: []string{"db: n1/d1", "shop: n9/s9"}},
		}},
		{"a renamed service has not vanished", []step{
			{say: []string{"a: n1/x n2/y n3/z"}, full: true, want: []string{"a: n1/x n2/y n3/z"}},
			{say: []string{"b: n1/x n2/y n3/z"}, want: []string{"a: n1/x n2/y n3/z", "b: n1/x n2/y n3/z"}},
			{say: []string{"a:"}, want: []string{"b: n1/x n2/y n3/z"}},
		}},
		{"a held instance comes back under another service", []step{
			{say: []string{"a: n1/x n2/y n3/z"}, full: true, want: []string{"a: n1/x n2/y n3/z"}},
			{say: []string{"a:"}, want: []string{"a: n1/x? n2/y? n3/z?"}, doubts: 1},
			{say: []string{"b: n1/x n2/y"}, want: []string{"a: n3/z?", "b: n1/x n2/y"}, doubts: 1},
		}},
		{"what a trusted source removes is gone", []step{
			{say: []string{six, "db: n1/d1 n2/d2 n3/d3"}, full: true, want: []string{"db: n1/d1 n2/d2 n3/d3", six}},
			{say: []string{"db: n1/d1 n2/d2 n3/d3"}, full: true, trusted: true, want: []string{"db: n1/d1 n2/d2 n3/d3"}},
			{say: []string{"db: n1/d1"}, want: []string{"db: n1/d1"}},
			{wait: 3 * time.Second, say: []string{}, full: true},
		}},
		{"two masses, one after the other", []step{
			{say: []string{six, "db: n7/a n8/b n9/c"}, full: true, want: []string{"db: n7/a n8/b n9/c", six}},
			{say: []string{empty}, want: []string{"db: n7/a n8/b n9/c", six_}, doubts: 1},
			{wait: time.Minute, say: []string{"db:"}, want: []string{"db: n7/a? n8/b? n9/c?", six_}, doubts: 2},
			{wait: 14 * time.Minute, want: []string{"db: n7/a? n8/b? n9/c?"}, doubts: 1},
			{wait: time.Minute},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var open ports
				source := newScript("a")
				c := run(t, CatalogOptions{Probe: open.probe}, source)
				for n, s := range test.steps {
					time.Sleep(s.wait)
					synctest.Wait()
					open.close(s.close...)
					if s.say != nil {
						source.say(Update{Services: services(s.say...), Complete: s.full, Trusted: s.trusted})
					}
					if s.accept != "" && c.Accept(strings.TrimPrefix(s.accept, "*")) == 0 {
						t.Errorf("step %d: nothing to accept", n+1)
					}
					if got := show(c.Facts()); got != strings.Join(s.want, "\n") {
						t.Fatalf("step %d: facts are\n%s\nwant\n%s", n+1, got, strings.Join(s.want, "\n"))
					}
					if f := c.Facts(); len(f.Doubts) != s.doubts || f.InDoubt() != (s.doubts > 0) {
						t.Fatalf("step %d: doubts are %v, want %d", n+1, f.Doubts, s.doubts)
					}
				}
			})
		})
	}
}

// TestMassTellsWhoSharedAnAddress: those that are left at the address of held ones had it in common with them, unless they have come
// to it within the window.
func TestMassTellsWhoSharedAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript("a")
		c := run(t, CatalogOptions{}, s)
		s.say(Update{Services: services("shop: n1/s1@web n1/s2@web n1/s3@web", "www: n1/w1@web n1/w2@other", "db: n1/d1@other"), Complete: true})
		time.Sleep(time.Minute)
		s.say(Update{Services: services("late: n2/l1@web", "www: n1/w1@web n1/w2@web")})
		s.say(Update{Services: services("shop:")})
		expect(t, c, "db: n1/d1@other", "late: n2/l1@web", "shop: n1/s1@web? n1/s2@web? n1/s3@web?", "www: n1/w1@web n1/w2@web")
		shared := c.Facts().Shared
		held := c.Facts().Services["shop"].Instances[0].Held
		if was := shared["live/n1/w1"]; len(shared) != 1 || len(was) != 1 || was[0].Held != held || was[0].Address != "web" {
			t.Errorf("shared are %v, want w1 alone with %q", shared, held)
		}
		c.Accept("")
		if shared := c.Facts().Shared; len(shared) != 0 {
			t.Errorf("the mass is over, and shared are %v", shared)
		}
	})
}

func TestMassIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newScript("a")
		c := run(t, CatalogOptions{}, source)
		source.say(Update{Services: services(six), Complete: true})
		source.say(Update{Complete: true})
		d := c.Facts().Doubts[0]
		if d.Kind != MassDoubt || d.Reason != "6 of 6 present instances of cluster live vanished within 2s" || d.Until.Sub(d.Since) != 15*time.Minute {
			t.Errorf("doubt is %+v", d)
		}
		want := "vanished in a mass at 2000-01-01T00:00:00Z; kept while it accepts connections, until 2000-01-01T00:15:00Z at the latest"
		if held := c.Facts().Services["shop"].Instances[0].Held; held != want {
			t.Errorf("held is %q", held)
		}
	})
}

// Nothing held, nothing probed: the steady state costs nothing.
func TestProbesEndWithTheMass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open ports
		source := newScript("a")
		c := run(t, CatalogOptions{Probe: open.probe}, source)
		source.say(Update{Services: services(six), Complete: true})
		source.say(Update{Complete: true})
		time.Sleep(12 * time.Second)
		synctest.Wait()
		if open.probes != 3*6 {
			t.Errorf("%d probes in 12 s, want 18", open.probes)
		}
		if n := c.Accept(""); n != 6 {
			t.Errorf("accepted %d", n)
		}
		time.Sleep(time.Hour)
		if open.probes != 3*6 {
			t.Errorf("%d probes after the mass", open.probes-18)
		}
	})
}

func TestProbesTakeNoLongerThanTheirTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newScript("a")
		c := run(t, CatalogOptions{Probe: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }}, source)
		var many []string
		for i := range 3 * probesAtOnce {
			many = append(many, fmt.Sprintf("n%d/s%d", i, i))
		}
		source.say(Update{Services: map[string]*Service{"shop": service("shop", many...)}, Complete: true})
		source.say(Update{Complete: true})
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		expect(t, c)
	})
}

func TestDialIsTheDefaultProbe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	probe := CatalogOptions{}.withDefaults().Probe
	if err := probe(t.Context(), listener.Addr().String()); err != nil {
		t.Error(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if probe(t.Context(), listener.Addr().String()) == nil {
		t.Error("a closed port accepts connections")
	}
}
