package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/lab"
)

func TestBoundIsKept(t *testing.T) {
	const ms = time.Millisecond
	// each returns 100 timings, the last of them slower than the rest.
	each := func(call, wait, last time.Duration) []timing {
		var out []timing
		for range 99 {
			out = append(out, timing{fromCall: call + wait, fromReturn: wait})
		}
		return append(out, timing{fromCall: call + last, fromReturn: last})
	}
	for _, test := range []struct {
		name    string
		bound   bound
		timings []timing
		want    bool
	}{
		{"at the bound", bound{median: 30 * ms, p99: 150 * ms}, each(10*ms, 20*ms, 140*ms), true},
		{"median above it", bound{median: 30 * ms, p99: 150 * ms}, each(11*ms, 20*ms, 20*ms), false},
		{"p99 above it", bound{median: 30 * ms, p99: 150 * ms}, each(10*ms, 20*ms, 141*ms), false},
		{"counted from the return", bound{p99: 150 * ms, fromReturn: true}, each(200*ms, 20*ms, 150*ms), true},
		{"no timing at all", bound{p99: 150 * ms}, nil, false},
	} {
		if got := test.bound.kept(test.timings); got != test.want {
			t.Errorf("%s: kept is %v, want %v", test.name, got, test.want)
		}
	}
}

func TestWatchSeesAChange(t *testing.T) {
	for _, test := range []struct {
		name    string
		what    change
		answers []int
		want    int // the answers it takes
		odd     int
	}{
		{"first 200", come, []int{404, 404, 200}, 3, 0},
		{"unready before the first 200", come, []int{404, 503, 200}, 3, 1},
		{"last 200", gone, []int{200, 404, 404, 404}, 4, 0},
		{"200 once more", gone, []int{200, 404, 404, 200, 404, 404, 404}, 7, 0},
		{"gone by an error", gone, []int{200, 502, 404, 404}, 4, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "d.example.com" {
					t.Errorf("the Host is %q", r.Host)
				}
				w.WriteHeader(test.answers[min(asked, len(test.answers)-1)])
				asked++
			}))
			defer server.Close()
			s, c := &stage{}, &lab.Client{Addr: strings.TrimPrefix(server.URL, "http://")}
			defer c.Close()
			w := &watch{domain: "d.example.com", began: time.Now(), returned: time.Now()}
			for range len(test.answers) - 1 {
				if w.ask(s, c, test.what) {
					t.Fatalf("seen after %d answers, want %d", asked, test.want)
				}
			}
			if !w.ask(s, c, test.what) || asked != test.want {
				t.Errorf("not seen after %d answers, want %d", asked, test.want)
			}
			if len(s.odds) != test.odd {
				t.Errorf("odd answers %q, want %d", s.odds, test.odd)
			}
			if got := w.timing(); got.fromReturn <= 0 || got.fromCall < got.fromReturn || got.resolution > got.fromReturn {
				t.Errorf("the timing is %+v", got)
			}
		})
	}
}

func TestNoAnswerIsNoChange(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	s, c := &stage{}, &lab.Client{Addr: strings.TrimPrefix(server.URL, "http://")}
	w := &watch{domain: "d.example.com"}
	if w.ask(s, c, gone); w.seen != 0 || len(s.odds) != 1 {
		t.Errorf("an aborted answer counts as a change: seen %d, odd %q", w.seen, s.odds)
	}
}
