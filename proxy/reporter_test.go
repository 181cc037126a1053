package proxy

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/proxy/pool"
)

func TestBurstIsSummedUp(t *testing.T) {
	log := new(records)
	r := newReporter(slog.New(slog.NewTextHandler(log, nil)))
	now := time.Unix(1000000, 0)
	d := changes{}
	for i := range 150 {
		d.came = append(d.came, domainChange{fmt.Sprintf("n%d.example.com", i), &pool.Cluster{Name: "live"}, &pool.Pool{}})
	}
	r.report(&d, now)
	if n := log.count("domain came"); n != linesAtOnce {
		t.Errorf("%d lines, want %d", n, linesAtOnce)
	}
	r.summary(now.Add(900 * time.Millisecond))
	if log.count("more changes than lines") != 0 {
		t.Error("summed up before the burst was over")
	}
	at, ok := r.due()
	if !ok || !at.Equal(now.Add(time.Second)) {
		t.Errorf("due %s, %v", at, ok)
	}
	r.summary(at)
	if log.count("more changes than lines", "50 x domain came") != 1 {
		t.Errorf("no sum:\n%s", log)
	}
	if _, ok := r.due(); ok {
		t.Error("due again")
	}
	r.report(&changes{went: d.came}, at.Add(time.Second))
	if n := log.count("domain went"); n != 2*linesPerSecond {
		t.Errorf("%d lines two seconds later, want %d", n, 2*linesPerSecond)
	}
}

func TestWhatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := serving(t)
		w.say(w.test, "shop.example.com@10.2.0.1:80", "Bad_Name.example.com@10.2.0.2:80")
		p := e.Table().Load().Clusters[0].Exact["shop.example.com"]
		for range p.Spec.EjectFailures {
			w.shared.passive.Failed(p, p.Members[0], "status 502")
		}
		after(10 * time.Millisecond)
		if err := e.SetOverride(t.Context(), drain(second)); err != nil {
			t.Fatal(err)
		}
		after(p.Spec.EjectFor + time.Second)
		w.say(w.live, "shop.example.com@0.0.0.0:80")
		for _, words := range [][]string{
			{"level=INFO", `msg="domain came"`, "domain=test.shop.example.com", "cluster=test", "members=1"},
			{"level=WARN", `msg="member down"`, "instance=" + first, "address=10.1.0.1:80", "status 502"},
			{"level=INFO", `msg="member draining"`, "instance=" + second, "ann: new disk"},
			{"level=INFO", `msg="member active"`, "instance=" + first},
			{"level=INFO", `msg="member went"`, "instance=" + second},
			{"level=WARN", `msg="pool has no active member"`, "pool=shop.example.com"},
		} {
			if w.log.count(words...) == 0 {
				t.Errorf("no line with %s:\n%s", strings.Join(words, ", "), w.log)
			}
		}
	})
}
