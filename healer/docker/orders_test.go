package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/discovery/state"
	"github.com/fairlead/fairlead/healer"
	"github.com/fairlead/fairlead/tools/engine"
)

const swarms = `"com.docker.swarm.service.name":"shop"`

// post is a shared state, a scripted engine and an executor between them, which does not run yet.
type post struct {
	kv       *state.File
	script   *engine.Script
	executor *Executor
}

func newPost(t *testing.T) *post {
	t.Helper()
	kv := state.NewFile(filepath.Join(t.TempDir(), "state"))
	kv.Poll = 5 * time.Millisecond
	script := engine.NewScript(t, "1.41")
	script.JSON("POST /containers/"+made+"/stop", http.StatusNoContent, "")
	p := &post{kv, script, &Executor{KV: kv, Node: "web-1", Engine: Engine{Host: script.Host, Timeout: 5 * time.Second}, Retry: 10 * time.Millisecond}}
	p.container(swarms)
	return p
}

// container lets the engine have the container, running and with these labels.
func (p *post) container(labels string) {
	p.script.JSON("GET /containers/"+made+"/json", http.StatusOK,
		`{"Id":"`+made+`","State":{"Running":true},"HostConfig":{},"Config":{"Labels":{`+labels+`}}}`)
}

// run lets executors work until the test ends, or until the function it returns is called.
func (p *post) run(t *testing.T, executors ...*Executor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, x := range executors {
		group.Go(func() {
			if err := x.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("the executor ended: %v", err)
			}
		})
	}
	stop = func() { cancel(); group.Wait() }
	t.Cleanup(stop)
	return stop
}

// leave writes an order as some author would.
func (p *post) leave(t *testing.T, change func(*discovery.Order)) string {
	t.Helper()
	o := discovery.Order{ID: "one", Kind: discovery.StopContainer, Container: made, Author: "anna", Reason: "critical",
		Issued: time.Now(), Expires: time.Now().Add(time.Hour)}
	if change != nil {
		change(&o)
	}
	document, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	key := discovery.OrderKey("web-1", o.ID)
	if err := p.kv.CompareAndSet(t.Context(), key, document, 0); err != nil {
		t.Fatal(err)
	}
	return key
}

// answered waits for the answer to an order.
func (p *post) answered(t *testing.T, key string) discovery.Order {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var o discovery.Order
		entry, err := p.kv.Get(t.Context(), key)
		if err == nil {
			err = json.Unmarshal(entry.Value, &o)
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case o.Result != nil:
			return o
		case time.Now().After(end):
			t.Fatalf("order %s was never answered", key)
		}
	}
}

func (p *post) stops() int { return len(p.script.Calls("POST /containers/" + made + "/stop")) }

func TestOrders(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*post)
		order   func(*discovery.Order)
		want    discovery.Outcome
		says    string
		stops   int
	}{
		{name: "a task's container", want: discovery.OrderDone, stops: 1},
		{name: "a container of ours", want: discovery.OrderDone, stops: 1,
			prepare: func(p *post) {
				p.container(`"io.fairlead.domain":"a","io.fairlead.slot":"1","io.fairlead.generation":"1","io.fairlead.owner":"fairlead"`)
			}},
		{name: "a container of nobody", want: discovery.OrderRefused, says: "neither Swarm's nor", prepare: func(p *post) { p.container("") }},
		{name: "a container that is gone", want: discovery.OrderGone,
			prepare: func(p *post) { p.script.JSON("GET /containers/"+made+"/json", 404, `{"message":"No such container"}`) }},
		{name: "an engine that says no", want: discovery.OrderFailed, says: "is zombie", stops: 1,
			prepare: func(p *post) {
				p.script.JSON("POST /containers/"+made+"/stop", 500, `{"message":"container is zombie"}`)
			}},
		{name: "an engine that says nothing", want: discovery.OrderUnknown, says: "no answer in time",
			prepare: func(p *post) {
				p.executor.Engine.Timeout = 100 * time.Millisecond
				p.script.Hang("GET /containers/" + made + "/json")
			}},
		{name: "clients that stay", want: discovery.OrderFailed, says: "no leader",
			prepare: func(p *post) {
				p.executor.Leave = func(context.Context, string) error { return errors.New("no leader") }
			}},
		{name: "expired", want: discovery.OrderExpired, order: func(o *discovery.Order) { o.Expires = time.Now().Add(-time.Second) }},
		{name: "by nobody", want: discovery.OrderRefused, says: "no author", order: func(o *discovery.Order) { o.Author = "" }},
		{name: "of a container's name", want: discovery.OrderRefused, says: "full ID", order: func(o *discovery.Order) { o.Container = "shop" }},
		{name: "of an unknown kind", want: discovery.OrderRefused, says: "nothing is called", order: func(o *discovery.Order) { o.Kind = "reboot" }},
		{name: "a drain that nobody can do", want: discovery.OrderRefused, says: "cannot drain",
			order: func(o *discovery.Order) { o.Kind, o.Container = discovery.DrainHost, "" }},
		{name: "a drain", want: discovery.OrderDone, order: func(o *discovery.Order) { o.Kind, o.Container = discovery.DrainHost, "" },
			prepare: func(p *post) {
				p.executor.Drain = func(_ context.Context, o discovery.Order) error {
					if o.Author != "anna" {
						return errors.New("by whom?")
					}
					return nil
				}
			}},
		{name: "an undrain that fails", want: discovery.OrderFailed, says: "not now",
			order: func(o *discovery.Order) { o.Kind, o.Container = discovery.UndrainHost, "" },
			prepare: func(p *post) {
				p.executor.Undrain = func(context.Context, discovery.Order) error { return errors.New("not now") }
			}},
		{name: "claimed by one that died", want: discovery.OrderUnknown, says: "web-1-x claimed it",
			prepare: func(p *post) { p.executor.Abandon = time.Millisecond },
			order: func(o *discovery.Order) {
				o.ClaimedBy, o.ClaimedAt, o.Expires = "web-1-x", time.Now().Add(-time.Minute), time.Now().Add(-time.Second)
			}},
	} {
		p := newPost(t)
		if c.prepare != nil {
			c.prepare(p)
		}
		key := p.leave(t, c.order)
		stop := p.run(t, p.executor)
		o := p.answered(t, key)
		if o.Result.Outcome != c.want || !strings.Contains(o.Result.Text, c.says) || o.Result.At.IsZero() {
			t.Errorf("%s: answered %+v, want %s with %q", c.name, *o.Result, c.want, c.says)
		}
		if p.stops() != c.stops {
			t.Errorf("%s: %d stops, want %d", c.name, p.stops(), c.stops)
		}
		stop()
	}
}

// TestOrderIsCarriedOutOnce lets many agents of one host see the same orders.
func TestOrderIsCarriedOutOnce(t *testing.T) {
	p := newPost(t)
	var executors []*Executor
	for range 6 {
		x := *p.executor
		executors = append(executors, &x)
	}
	keys := make([]string, 5)
	for i := range keys {
		keys[i] = p.leave(t, func(o *discovery.Order) { o.ID = string(rune('a' + i)) })
	}
	stop := p.run(t, executors...)
	for _, key := range keys {
		if o := p.answered(t, key); o.Result.Outcome != discovery.OrderDone {
			t.Errorf("order %s: %+v", key, *o.Result)
		}
	}
	stop()
	stop = p.run(t, &Executor{KV: p.kv, Node: "web-1", Engine: p.executor.Engine, Retry: time.Millisecond})
	time.Sleep(50 * time.Millisecond) // an agent that comes later finds nothing to do
	stop()
	if p.stops() != len(keys) {
		t.Errorf("%d orders made %d stops", len(keys), p.stops())
	}
}

func TestOrdersWaitForALeader(t *testing.T) {
	p := newPost(t)
	var leader atomic.Bool
	asked := make(chan struct{}, 100)
	p.executor.HasLeader = func() bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		return leader.Load()
	}
	late := p.leave(t, nil)
	short := p.leave(t, func(o *discovery.Order) { o.ID, o.Expires = "short", time.Now().Add(200*time.Millisecond) })
	p.run(t, p.executor)
	if o := p.answered(t, short); o.Result.Outcome != discovery.OrderExpired {
		t.Errorf("without a leader until its end: %+v", *o.Result)
	}
	for range 3 {
		<-asked
	}
	if p.stops() != 0 {
		t.Error("an order was carried out without a leader")
	}
	leader.Store(true)
	if o := p.answered(t, late); o.Result.Outcome != discovery.OrderDone || p.stops() != 1 {
		t.Errorf("with a leader again: %+v, %d stops", *o.Result, p.stops())
	}
}

// TestOrderIsAnsweredOnceTheStoreIsBack takes the shared state away while an order is carried out.
func TestOrderIsAnsweredOnceTheStoreIsBack(t *testing.T) {
	p := newPost(t)
	away := &flaky{KV: p.kv}
	p.executor.KV = away
	p.script.Handle("POST /containers/"+made+"/stop", func(w http.ResponseWriter, _ *http.Request) {
		away.gone.Store(true)
		time.AfterFunc(100*time.Millisecond, func() { away.gone.Store(false) })
		w.WriteHeader(http.StatusNoContent)
	})
	key := p.leave(t, nil)
	p.run(t, p.executor)
	if o := p.answered(t, key); o.Result.Outcome != discovery.OrderDone || p.stops() != 1 {
		t.Errorf("answered %+v after %d stops", *o.Result, p.stops())
	}
	if away.refused.Load() == 0 {
		t.Error("the store was never away")
	}
}

// flaky is a store that can be away.
type flaky struct {
	state.KV
	gone    atomic.Bool
	refused atomic.Int64
}

func (f *flaky) Get(ctx context.Context, key string) (state.Entry, error) {
	if f.gone.Load() {
		f.refused.Add(1)
		return state.Entry{}, state.ErrUnavailable
	}
	return f.KV.Get(ctx, key)
}

func TestAnsweredOrdersAreForgotten(t *testing.T) {
	p := newPost(t)
	p.executor.Keep = 50 * time.Millisecond
	key := p.leave(t, nil)
	p.run(t, p.executor)
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := p.kv.Get(t.Context(), key); errors.Is(err, state.ErrNotFound) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("an answered order stays for ever")
		}
	}
	if p.stops() != 1 {
		t.Errorf("%d stops", p.stops())
	}
}

func TestDocumentsThatAreNoOrders(t *testing.T) {
	p := newPost(t)
	for name, text := range map[string]string{"broken": `{"id":`, "other": `{"id":"something-else","kind":"stop"}`} {
		if err := p.kv.CompareAndSet(t.Context(), discovery.OrderKey("web-1", name), []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	key := p.leave(t, nil)
	p.run(t, p.executor)
	if o := p.answered(t, key); o.Result.Outcome != discovery.OrderDone {
		t.Errorf("beside broken documents: %+v", *o.Result)
	}
}

func TestSender(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*post)
		alone   bool // no agent runs
		want    error
	}{
		{name: "done"},
		{name: "gone", want: healer.ErrFenced, prepare: func(p *post) {
			p.script.JSON("GET /containers/"+made+"/json", 404, `{"message":"No such container"}`)
		}},
		{name: "refused", want: healer.ErrRefused, prepare: func(p *post) { p.container("") }},
		{name: "nobody there", want: ErrNoAgent, alone: true},
		{name: "no leader there", want: ErrNoAgent, prepare: func(p *post) { p.executor.HasLeader = func() bool { return false } }},
		{name: "an engine that hangs", want: ErrNoAnswer, prepare: func(p *post) {
			p.executor.Engine.Timeout = 50 * time.Millisecond
			p.script.Hang("GET /containers/" + made + "/json")
		}},
		{name: "an agent that hangs", want: ErrNoAnswer, prepare: func(p *post) {
			p.executor.Leave = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		}},
	} {
		p := newPost(t)
		if c.prepare != nil {
			c.prepare(p)
		}
		stop := func() {}
		if !c.alone {
			stop = p.run(t, p.executor)
		}
		s := &Sender{KV: p.kv, Author: "healer", Expiry: 500 * time.Millisecond, Wait: 500 * time.Millisecond}
		if c.want == nil || errors.Is(c.want, healer.ErrFenced) || errors.Is(c.want, healer.ErrRefused) {
			s.Expiry = time.Minute
		}
		if err := s.Stop(t.Context(), "web-1", made, "critical for 60s"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.alone {
			if entries := p.entries(t); len(entries) != 0 {
				t.Errorf("%s: left %d orders", c.name, len(entries))
			}
		}
		stop()
	}
}

// entries are all documents of the shared state.
func (p *post) entries(t *testing.T) (found []state.Entry) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = p.kv.Watch(ctx, "", func(entries []state.Entry, err error) {
		if err != nil {
			t.Error(err)
		}
		found = entries
		cancel()
	})
	return found
}

func TestSenderRefuses(t *testing.T) {
	p := newPost(t)
	s := &Sender{KV: p.kv, Author: "healer"}
	for name, err := range map[string]error{
		"a host that is none": s.Stop(t.Context(), "a/b", made, "critical"),
		"no host":             s.Stop(t.Context(), "", made, "critical"),
		"a short ID":          s.Stop(t.Context(), "web-1", made[:12], "critical"),
		"no reason":           s.Stop(t.Context(), "web-1", made, ""),
	} {
		if err == nil {
			t.Errorf("%s passes", name)
		}
	}
	if entries := p.entries(t); len(entries) != 0 {
		t.Errorf("left %d orders", len(entries))
	}
}
