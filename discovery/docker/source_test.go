package docker

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
)

const shopName = "shop.example.com"

func started(t *testing.T, change func(*Config), boxes ...box) (*script, *observer) {
	t.Helper()
	s := startScript(t, "1.41")
	s.run(boxes...)
	c := quick(s)
	if change != nil {
		change(&c)
	}
	o := observe(t, c, nil)
	o.ready(t)
	eventually(t, "a stream of events", s.listening)
	return s, o
}

// rarely has the list asked for after events only.
func rarely(c *Config) { c.Interval = time.Hour }

func TestFirstReportIsComplete(t *testing.T) {
	_, o := started(t, nil, shop(1), shop(2), shop(3))
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.passing(shopName, 3) || !o.status.Ready || o.status.LastAnswer.IsZero() || len(o.status.Doubts) > 0 {
		t.Errorf("first report:\n%s\nstatus %+v", show(o.services), o.status)
	}
	if o.changes != 1 {
		t.Errorf("the first report came in %d parts", o.changes)
	}
}

func TestEmptyEngineIsComplete(t *testing.T) {
	_, o := started(t, nil)
	if len(o.Refusals()) != 0 {
		t.Errorf("refusals of an empty engine: %v", o.Refusals())
	}
}

func TestEventsTell(t *testing.T) {
	s, o := started(t, rarely, shop(1))
	two := shop(2)
	s.run(two)
	s.act(two.id, "start")
	o.until(t, "the start", func(o *observer) bool { return o.passing(shopName, 2) })

	s.run(two.with(func(b *box) { b.state = "paused" }))
	s.act(two.id, "pause")
	o.until(t, "the pause", func(o *observer) bool { return o.passing(shopName, 1) && len(o.services[shopName].Instances) == 2 })
	s.run(two)
	s.act(two.id, "unpause")
	o.until(t, "the end of the pause", func(o *observer) bool { return o.passing(shopName, 2) })

	s.run(two.with(func(b *box) { b.name = "renamed" }))
	s.act(two.id, "rename")
	o.until(t, "the new name", func(o *observer) bool {
		return o.passing(shopName, 2) && o.services[shopName].Instances[0].ServiceID == "web1:renamed:80"
	})

	s.remove(two)
	s.act(two.id, "die", "exitCode", "0")
	o.until(t, "the end", func(o *observer) bool { return o.instance(shopName) != nil })
	if !o.trusted {
		t.Error("what the engine said was not trusted")
	}
}

// What does not count is told with the source's state, at once and also when no service has changed.
func TestRefusalsAreTold(t *testing.T) {
	wrong := shop(2).with(func(b *box) { b.env = append(b.env, "SERVICE_70000_NAME=other") })
	s, o := started(t, rarely, shop(1), wrong)
	told := func(words ...string) func(*observer) bool {
		return func(o *observer) bool {
			return slices.EqualFunc(o.status.Refused, words, func(is, want string) bool { return strings.Contains(is, want) })
		}
	}
	o.until(t, "the refusal", told("container shop-2: SERVICE_70000_NAME: 70000 is not a port"))
	s.remove(wrong)
	s.act(wrong.id, "die", "exitCode", "0")
	o.until(t, "its end", told())
	alone := shop(3).with(func(b *box) { b.ports = nil })
	s.run(alone)
	s.act(alone.id, "start")
	o.until(t, "one of a container that is no instance", told("container shop-3, service shop.example.com: it names this service on a port"))
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.passing(shopName, 1) || o.changes != 1 || len(o.status.Doubts) > 0 {
		t.Errorf("after %d changes, in doubt %v:\n%s", o.changes, o.status.Doubts, show(o.services))
	}
}

func TestHealthcheck(t *testing.T) {
	s, o := started(t, rarely, shop(1).with(func(b *box) { b.health = "starting" }))
	for _, step := range []struct {
		health string
		want   discovery.Health
		note   string
	}{
		{"starting", discovery.Critical, "not passed yet"}, {"healthy", discovery.Passing, ""},
		{"unhealthy", discovery.Critical, "unhealthy"}, {"none", discovery.Passing, ""},
	} {
		s.run(shop(1).with(func(b *box) { b.health = step.health }))
		s.act(shop(1).id, "health_status: "+step.health)
		o.until(t, step.health, func(o *observer) bool {
			i := o.instance(shopName)
			return i != nil && i.Health == step.want && strings.Contains(i.HealthNote, step.note)
		})
	}
}

// With no event at all, the list shows what has changed.
func TestEventsAreHintsOnly(t *testing.T) {
	s, o := started(t, nil, shop(1), shop(2))
	s.run(shop(3))
	s.remove(shop(1))
	s.run(shop(2).with(func(b *box) { b.ports = []string{"80=0.0.0.0:31999"} }))
	o.until(t, "all of it", func(o *observer) bool {
		all := o.services[shopName]
		return o.passing(shopName, 2) && all.Instances[0].Port == 31999 && all.Instances[1].ServiceID == "web1:shop-3:80"
	})
	s.run(shop(3).with(func(b *box) { b.health = "unhealthy" }))
	o.until(t, "its health", func(o *observer) bool { return o.passing(shopName, 1) })
}

// A container whose start is told while an older list is under way must not vanish with that list.
func TestOlderListTakesNothingAway(t *testing.T) {
	s, o := started(t, rarely, shop(1))
	release, asked := make(chan struct{}), make(chan struct{}, 10)
	s.fault("list", func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		s.mu.Lock()
		first := s.lists[shop(1).id]
		s.mu.Unlock()
		writeJSON(w, []any{first})
	})
	s.act(shop(1).id, "rename") // so that a list begins
	<-asked
	s.run(shop(2))
	s.act(shop(2).id, "start")
	o.until(t, "the start", func(o *observer) bool { return o.passing(shopName, 2) })
	s.mu.Lock()
	delete(s.faults, "list")
	s.mu.Unlock()
	lists := s.count("list")
	close(release)
	eventually(t, "the next list", func() bool { return s.count("list") > lists })
	time.Sleep(50 * time.Millisecond)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.passing(shopName, 2) || o.changes != 2 {
		t.Errorf("after %d changes:\n%s", o.changes, show(o.services))
	}
}

func TestStreamComesBack(t *testing.T) {
	s, o := started(t, rarely, shop(1))
	for n := range 3 {
		s.cut()
		s.run(shop(10 + n)) // while nobody listens
		o.until(t, "what happened between two streams", func(o *observer) bool { return o.passing(shopName, n+2) })
		eventually(t, "the next stream", s.listening)
	}
	s.fault("events", broken)
	s.cut()
	o.until(t, "the lack of events", func(o *observer) bool { return strings.Contains(o.status.Strategy, "the storage is gone") })
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.status.Doubts) > 0 {
		t.Errorf("an engine without events is in doubt: %v", o.status.Doubts)
	}
}

// The engine answers before it has subscribed us: what happens in between is told by nobody.
func TestWhatHappensBeforeTheSubscriptionIsSeen(t *testing.T) {
	s := startScript(t, "1.41")
	c := quick(s)
	rarely(&c)
	c.Settle = 100 * time.Millisecond
	o := observe(t, c, nil)
	o.ready(t)
	s.run(shop(1))
	o.until(t, "the container nobody told of", func(o *observer) bool { return o.passing(shopName, 1) })
}

func TestUnknownIsNotEmpty(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"hangs": hang, "errs": broken,
		"writes garbage": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`[{"Id":`)) },
		"closes":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			s, o := started(t, impatient, shop(1), shop(2))
			s.remove(shop(1), shop(2))
			s.fault("*", fault)
			s.fault("list", fault)
			s.cut()
			o.until(t, "the doubt", func(o *observer) bool { return len(o.status.Doubts) == 1 })
			o.mu.Lock()
			d, since := o.status.Doubts[0], o.status.LastAnswer
			if d.Kind != discovery.SourceDoubt || d.Service != "" || d.Since.IsZero() || !o.passing(shopName, 2) || o.changes != 1 {
				t.Errorf("in doubt %+v:\n%s", d, show(o.services))
			}
			o.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			s.fault("*", nil)
			s.fault("list", nil)
			s.run(shop(3))
			o.until(t, "the end of the doubt", func(o *observer) bool {
				return len(o.status.Doubts) == 0 && o.passing(shopName, 1) && o.status.LastAnswer.After(since)
			})
		})
	}
}

func TestNoEngineAtAll(t *testing.T) {
	s := startScript(t, "1.41")
	c := quick(s)
	c.Host = "unix://" + s.socket + ".none"
	o := observe(t, c, nil)
	o.until(t, "the doubt", func(o *observer) bool { return len(o.status.Doubts) == 1 })
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.complete || o.status.Ready || len(o.services) > 0 || !strings.Contains(o.status.Doubts[0].Reason, s.socket+".none") {
		t.Errorf("status %+v", o.status)
	}
}

// One container that cannot be asked about neither holds up the others nor loses what is known of it.
func TestOneContainerHangs(t *testing.T) {
	s, o := started(t, impatient, shop(1), shop(2))
	s.fault("inspect "+shop(1).id, hang)
	s.act(shop(1).id, "rename")
	s.run(shop(3))
	s.act(shop(3).id, "start")
	o.until(t, "the other's start", func(o *observer) bool { return o.passing(shopName, 3) })
	o.until(t, "the doubt", func(o *observer) bool { return len(o.status.Doubts) == 1 && o.passing(shopName, 3) })
	o.mu.Lock()
	if d := o.status.Doubts[0]; d.Service != shopName || !strings.Contains(d.Reason, shop(1).id) {
		t.Errorf("doubt %+v", d)
	}
	o.mu.Unlock()
	s.fault("inspect "+shop(1).id, nil)
	o.until(t, "the end of the doubt", func(o *observer) bool { return len(o.status.Doubts) == 0 && o.passing(shopName, 3) })
}

// What was known in an earlier life stands for a container that is listed and cannot be asked about, and for no other.
func TestRestoredFactsStandIn(t *testing.T) {
	s := startScript(t, "1.41")
	s.run(shop(1), shop(2))
	s.fault("inspect "+shop(1).id, hang)
	restored := func(n string, id string) discovery.Instance {
		return discovery.Instance{ID: "live/web1/web1:shop-" + n + ":80", Service: shopName, Address: "192.0.2.1", Port: 30000,
			Meta: map[string]string{discovery.MetaContainer: id}, Held: "restored"}
	}
	known := map[string]*discovery.Service{shopName: {Name: shopName, Instances: []discovery.Instance{
		restored("1", shop(1).id), restored("9", shop(9).id),
	}}}
	c := quick(s)
	c.Patience = time.Second
	o := observe(t, c, known)
	o.ready(t)
	o.mu.Lock()
	all := o.services[shopName].Instances
	if len(all) != 2 || all[0].Held != "restored" || all[1].Held != "" || len(o.status.Doubts) != 1 || o.status.Doubts[0].Service != shopName {
		t.Errorf("instances %+v\ndoubts %+v", all, o.status.Doubts)
	}
	o.mu.Unlock()
	gone := slices.ContainsFunc(all, func(i discovery.Instance) bool { return i.ServiceID == "web1:shop-9:80" })
	if gone {
		t.Error("an instance whose container is not listed was kept")
	}
}

// An engine that is replaced by another version is asked in that one's.
func TestEngineChangesItsVersion(t *testing.T) {
	s, o := started(t, nil, shop(1))
	s.mu.Lock()
	s.version = "1.44"
	s.mu.Unlock()
	s.cut()
	s.run(shop(2))
	o.until(t, "an answer of the new version", func(o *observer) bool { return o.passing(shopName, 2) })
}

// A bridge network over the host's own address refuses everything there is: that is not for the engine to be trusted with.
func TestNewBridgeIsNotTrusted(t *testing.T) {
	s, o := started(t, nil, shop(1))
	s.mu.Lock()
	s.networks = []any{map[string]any{"Name": "over", "Driver": "bridge", "IPAM": map[string]any{"Config": []any{map[string]any{"Subnet": "192.0.2.0/24"}}}}}
	s.mu.Unlock()
	o.until(t, "the refusal", func(o *observer) bool { return len(o.services) == 0 })
	if r := o.Refusals(); o.trusted || len(r) != 1 || !strings.Contains(r[0].Reason, "bridge network") {
		t.Errorf("trusted %v, refusals %+v", o.trusted, r)
	}
}
