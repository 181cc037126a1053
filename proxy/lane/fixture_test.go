package lane_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/lane"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/tools/lab/lanes"
	"github.com/fairlead/fairlead/tools/lab/places"
)

// domain is the one every test serves.
const domain = "shop.example.com"

// others are more ways to drive a lane than lanes.Engines, for some tests each.
var others = map[string]func(t testing.TB, l *lane.Listener) string{}

// onEachEngine runs a test on every engine.
func onEachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	for name := range lanes.Engines {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

// door is a lane over a table of one pool.
type door struct {
	addr      string
	listener  *lane.Listener
	site      *lane.Site
	table     *pool.Table
	transport *egress.Transport
	meters    *pool.Meters
	observer  *observer
	settings  pool.Settings
	snapshot  *pool.Snapshot

	handed chan handed
	turned chan lane.Turn
	ended  chan lane.Record
}

// handed is a connection that was handed over.
type handed struct {
	net.Conn
	unread string
	gone   func()
}

// option changes a door before it opens.
type option func(*door)

func newDoor(t testing.TB, engine string, settings pool.Settings, members []string, options ...option) *door {
	t.Helper()
	d := &door{
		table: pool.NewTable(), transport: egress.New(egress.Options{Sweep: 20 * time.Millisecond}),
		meters: pool.NewMeters(), observer: new(observer), settings: settings, snapshot: new(pool.Snapshot),
		handed: make(chan handed, 100), turned: make(chan lane.Turn, 1000), ended: make(chan lane.Record, 1000),
	}
	d.site = &lane.Site{
		Desk:     &dispatch.Desk{Table: d.table, Transport: d.transport, Observer: d.observer},
		Serves:   func(host, _ string) bool { return strings.HasPrefix(host, domain) },
		HandOver: func(c net.Conn, unread []byte, gone func()) { d.handed <- handed{c, string(unread), gone} },
		Server:   "Caddy",
		Turned:   func(_ netip.AddrPort, why lane.Turn) { note(d.turned, why) },
		Ended:    func(r *lane.Record) { note(d.ended, *r) },
	}
	for _, o := range options {
		o(d)
	}
	d.publish(t, members...)
	d.listener = lane.NewListener(d.site)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { d.transport.Run(ctx) })
	t.Cleanup(func() { // after the engine's
		cancel()
		all.Wait()
		close(d.handed)
		for h := range d.handed {
			h.Close()
		}
		d.idle(t)
	})
	start := lanes.Engines[engine]
	if start == nil {
		start = others[engine]
	}
	d.addr = start(t, d.listener)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		d.listener.Drain(ctx)
		if n := d.listener.Connections(); n > 0 {
			t.Errorf("%d connections have not ended", n)
		}
	})
	return d
}

// note keeps a value for the test, unless it has been told enough.
func note[T any](to chan T, v T) {
	select {
	case to <- v:
	default:
	}
}

// publish makes members, as addresses, the pool's.
func (d *door) publish(t testing.TB, members ...string) {
	t.Helper()
	service := &discovery.Service{Name: domain}
	for i, addr := range members {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(port)
		id := "shop-" + strconv.Itoa(i)
		service.Instances = append(service.Instances, discovery.Instance{
			ID: discovery.InstanceID("live", "web", id), Cluster: "live", Node: "web", Service: domain, ServiceID: id,
			Address: host, Port: uint16(n),
		})
	}
	facts := discovery.NoFacts("live")
	facts.Ready, facts.Services[domain] = true, service
	next, _ := pool.Build(d.snapshot, pool.Input{
		Now: time.Now(), Meters: d.meters,
		Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live", Defaults: d.settings}, Facts: facts}},
	})
	d.snapshot = next
	d.table.Store(next)
}

func (d *door) pool() *pool.Pool { return d.table.Load().Clusters[0].Exact[domain] }

// idle checks that no place is held once everything is over.
func (d *door) idle(t testing.TB) {
	t.Helper()
	eventually(t, func() string { return places.Held(d.pool()) })
}

// wire is a raw connection to a door.
type wire struct {
	net.Conn
	*bufio.Reader
}

func newWire(c net.Conn) *wire { return &wire{Conn: c, Reader: bufio.NewReader(c)} }

func (w *wire) Read(p []byte) (int, error) { return w.Reader.Read(p) }

func (d *door) dial(t testing.TB) *wire {
	t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return newWire(c)
}

// send writes what a client says.
func (w *wire) send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(w.Conn, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one response to a request of that method, with its body.
func (w *wire) answer(t testing.TB, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(w.Reader, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading the response: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body: %v", err)
	}
	return resp, string(body)
}

// observer notes what is told of members.
type observer struct {
	mu        sync.Mutex
	succeeded int
	failed    []string
}

func (o *observer) Succeeded(*pool.Pool, *pool.Member) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.succeeded++
}

func (o *observer) Failed(_ *pool.Pool, _ *pool.Member, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed = append(o.failed, reason)
}

func (o *observer) Refused(p *pool.Pool, m *pool.Member, reason string) { o.Failed(p, m, reason) }

func (o *observer) failures() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.failed...)
}

func eventually(t testing.TB, problem func() string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if last = problem(); last == "" {
			return
		}
	}
	t.Error(last)
}

// withdraw takes the domain out of the table.
func (d *door) withdraw(t testing.TB) {
	t.Helper()
	facts := discovery.NoFacts("live")
	facts.Ready = true
	d.snapshot, _ = pool.Build(d.snapshot, pool.Input{
		Now: time.Now(), Meters: d.meters,
		Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live", Defaults: d.settings}, Facts: facts}},
	})
	d.table.Store(d.snapshot)
	d.transport.Keep(d.snapshot)
}
