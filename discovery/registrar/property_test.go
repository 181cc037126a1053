package registrar

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fairlead/fairlead/discovery"
	realconsul "github.com/fairlead/fairlead/tools/consul"
)

// pass returns a handler that passes everything on to an agent.
func pass(a *realconsul.Agent) *httputil.ReverseProxy {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.HTTP})
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) }
	return proxy
}

func rewritten(r *http.Request, change func(string) string) *http.Request {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	text := []byte(change(string(body)))
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return r
}

// faults stand between a registrar and its agent, and go wrong for a share of the requests.
type faults struct {
	share atomic.Int64 // of a hundred requests
	proxy http.Handler
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rand.Int64N(100) >= f.share.Load() {
		f.proxy.ServeHTTP(w, r)
		return
	}
	switch rand.N(4) {
	case 0: // never arrives
		panic(http.ErrAbortHandler)
	case 1: // done, and nobody hears of it
		f.proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case 2:
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	case 3:
		http.Error(w, "rate limit exceeded", http.StatusTooManyRequests)
	}
}

// TestRealRandom drives a registrar through random changes of its source, faults of the agent's answers, deaths of the agent, and hands of
// others on what is ours. However that goes, it ends in what the source told last, and somebody else's service is never touched. While
// the source is in doubt nothing is deregistered.
func TestRealRandom(t *testing.T) {
	for n := range 3 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Logf("seed %d", seed)
			random(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func random(t *testing.T, dice *rand.Rand) {
	a := realconsul.Start(t, realconsul.Options{Persistent: dice.IntN(2) == 0})
	f := &faults{proxy: pass(a)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c := prompt(a)
	c.Address, c.Logger, c.Timeout = server.URL, testLog(t), time.Second
	r := start(t, c)
	foreign := func() error {
		return a.Register(&api.AgentServiceRegistration{ID: "s1", Name: "foreign", Port: 7, Tags: []string{"f"}, Meta: map[string]string{"owner": "x"}})
	}
	if err := foreign(); err != nil {
		t.Fatal(err)
	}
	var now []discovery.Instance
	for range 25 {
		f.share.Store(int64(dice.IntN(3) * 20))
		switch dice.IntN(8) {
		case 0:
			mishap(t, a, dice)
			eventually(t, "the other one to register again", foreign) // the agent may have forgotten him
		case 1: // somebody's hand on what is ours; the agent may be without it
			_ = a.Client().Agent().ServiceDeregister(fmt.Sprintf("s%d", 2+dice.IntN(6)))
		case 2:
			_ = a.Client().Agent().CheckDeregister(fmt.Sprintf("service:s%d:http", 2+dice.IntN(6)))
		case 3:
			f.share.Store(0)
			r.source.all(now...)
			eventually(t, "nothing to be left to do", func() error { return matches(r, a, c, now) })
			r.source.doubt("in doubt", some(dice)...)
			time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond)
			for _, i := range now {
				r.service(t, a, i.ServiceID)
			}
		case 4:
			r.stop()
			r = start(t, c)
			r.source.all(now...)
		default:
			now = some(dice)
			r.source.all(now...)
			time.Sleep(time.Duration(dice.IntN(200)) * time.Millisecond)
		}
	}
	f.share.Store(0)
	now = some(dice)
	r.source.all(now...)
	eventually(t, "the agent to have what the source told last", func() error { return matches(r, a, c, now) })
	if is := r.service(t, a, "s1"); is.Service != "foreign" && is.Meta["owner"] == "x" {
		t.Errorf("somebody else's service became %+v", is)
	}
	before := indexes(t, a)
	time.Sleep(3 * c.Resync)
	if err := matches(r, a, c, now); err != nil {
		t.Errorf("it did not last: %v; indexes were %v, are %v", err, before, indexes(t, a))
	}
}

// mishap ends the agent, with its data or without, or stops it for a while.
func mishap(t *testing.T, a *realconsul.Agent, dice *rand.Rand) {
	t.Helper()
	var err error
	if dice.IntN(2) == 0 {
		a.Kill()
		time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond)
		err = a.Restart()
	} else if err = a.Pause(); err == nil {
		time.Sleep(time.Duration(dice.IntN(1500)) * time.Millisecond)
		err = a.Resume()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// some makes a random set of up to six instances. Their IDs begin at s2: s1 is somebody else's.
func some(dice *rand.Rand) []discovery.Instance {
	var all []discovery.Instance
	for n := 2; n < 8; n++ {
		if dice.IntN(3) == 0 {
			continue
		}
		i := instance(fmt.Sprintf("service%d", n%3), fmt.Sprintf("s%d", n), uint16(8000+dice.IntN(2)))
		if dice.IntN(2) == 0 {
			i.Tags = []string{"a", "b"}[:1+dice.IntN(2)]
		}
		switch dice.IntN(5) {
		case 0:
			i.Meta["check_http"], i.Meta["check_interval"] = "/health", "1h"
		case 1:
			i.Meta["check_tcp"], i.Meta["check_interval"], i.Meta["check_ttl"] = "true", "1h", "1h"
		case 2:
			i.Health = discovery.Critical
		}
		all = append(all, i)
	}
	return all
}

// matches says in what the agent is not what the source told.
func matches(r *runner, a *realconsul.Agent, c Config, want []discovery.Instance) error {
	services, err := a.Client().Agent().Services()
	if err != nil {
		return err
	}
	checks, err := a.Client().Agent().Checks()
	if err != nil {
		return err
	}
	own := identity{owner: c.Owner, node: r.Status().NodeID}
	count := 0
	for id, s := range services {
		if strings.HasPrefix(id, "s") && own.owns(s) {
			count++
		}
	}
	if count != len(want) {
		return fmt.Errorf("%d of %d services: %+v", count, len(want), r.Status())
	}
	for _, i := range want {
		w, mine := c.withDefaults().build(own, &i), map[string]*api.AgentCheck{}
		for id, check := range checks {
			if check.ServiceID == i.ServiceID {
				mine[id] = check
			}
		}
		if services[i.ServiceID] == nil {
			return fmt.Errorf("no %s: %+v", i.ServiceID, r.Status())
		}
		if what := w.differs(services[i.ServiceID], mine); what != "" {
			return fmt.Errorf("%s is different in %s: %+v", i.ServiceID, what, r.Status())
		}
	}
	return nil
}
