package dispatch_test

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/fairlead/fairlead/discovery"
	"github.com/fairlead/fairlead/proxy/dispatch"
	"github.com/fairlead/fairlead/proxy/egress"
	"github.com/fairlead/fairlead/proxy/pool"
	"github.com/fairlead/fairlead/proxy/route"
)

// domain is the one every test asks for.
const domain = "shop.example.com"

// desk is a Desk over a table of one pool, whose members serve nobody: nothing is sent to them.
type desk struct {
	dispatch.Desk
	settings pool.Settings
	observer *observer
	meters   *pool.Meters
	snapshot *pool.Snapshot
	draining bool // the members published are
	unready  bool // so is the cluster
}

// newDesk returns the desk of a pool with one member for each priority given.
func newDesk(settings pool.Settings, priorities ...int) *desk {
	d := &desk{settings: settings, observer: new(observer), meters: pool.NewMeters(), snapshot: new(pool.Snapshot)}
	d.Desk = dispatch.Desk{Table: pool.NewTable(), Transport: egress.New(egress.Options{}), Observer: d.observer}
	d.publish(priorities...)
	return d
}

// publish makes the pool's members as many as there are priorities; without any, the domain is nobody's.
func (d *desk) publish(priorities ...int) {
	facts := discovery.NoFacts("live")
	facts.Ready = !d.unready
	overrides := map[string]pool.Override{}
	service := &discovery.Service{Name: domain}
	for n, priority := range priorities {
		i := discovery.Instance{
			Cluster: "live", Node: "web", Service: domain, ServiceID: "shop-" + strconv.Itoa(n), Address: "10.0.0.1", Port: uint16(1000 + n),
			Meta: map[string]string{"priority": strconv.Itoa(priority)},
		}
		i.ID = discovery.InstanceID(i.Cluster, i.Node, i.ServiceID)
		service.Instances = append(service.Instances, i)
		if d.draining {
			overrides[i.ID] = pool.Override{Instance: i.ID, Action: pool.Drain, Address: "10.0.0.1:" + strconv.Itoa(1000+n)}
		}
	}
	if len(priorities) > 0 {
		facts.Services[domain] = service
	}
	d.snapshot, _ = pool.Build(d.snapshot, pool.Input{
		Now: time.Now(), Meters: d.meters, Trusted: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")},
		Clusters: []pool.ClusterInput{{Config: pool.ClusterConfig{Name: "live", Defaults: d.settings}, Facts: facts, Overrides: overrides}},
	})
	d.Table.Store(d.snapshot)
}

func (d *desk) pool() *pool.Pool { return d.snapshot.Clusters[0].Exact[domain] }

// begin begins a job for the domain; its places are given back when the test ends.
func (d *desk) begin(t testing.TB, r dispatch.Request) *dispatch.Job {
	t.Helper()
	j := new(dispatch.Job)
	t.Cleanup(j.End)
	j.Begin(&d.Desk, r, asked)
	if j.Decision.Code != route.OK {
		t.Fatalf("decided %s", j.Decision.Code)
	}
	return j
}

// enter begins a job that takes its places at once.
func (d *desk) enter(t testing.TB, r dispatch.Request) *dispatch.Job {
	t.Helper()
	j := d.begin(t, r)
	if entered, refusal := j.Enter(); !entered || refusal != nil {
		t.Fatalf("entered %t, %+v", entered, refusal)
	}
	return j
}

// idle checks that nobody holds a place or waits for one.
func (d *desk) idle(t testing.TB) {
	t.Helper()
	p := d.pool()
	if n, waiting := p.Meter.InFlight.Load(), p.Meter.Queued.Load(); n != 0 || waiting != 0 {
		t.Errorf("%d places of the pool are taken, %d requests wait", n, waiting)
	}
	for _, m := range p.Members {
		if n := m.Meter.InFlight.Load(); n != 0 {
			t.Errorf("%d places of %s are taken", n, m.ID())
		}
	}
}

var asked = route.Ask{Host: domain, Peer: netip.MustParseAddr("192.0.2.1"), Path: "/"}

// request is a request as a door knows it.
type request struct {
	header  map[string]string
	cookies []string
	path    string
}

func (r *request) Header(name string) string { return r.header[name] }
func (r *request) Cookies() []string         { return r.cookies }
func (r *request) Path() string              { return r.path }

var plain = new(request)

// observer notes what it is told.
type observer struct{ heard []string }

func (o *observer) Succeeded(*pool.Pool, *pool.Member) { o.heard = append(o.heard, "succeeded") }

func (o *observer) Refused(_ *pool.Pool, _ *pool.Member, reason string) {
	o.heard = append(o.heard, "refused: "+reason)
}

func (o *observer) Failed(_ *pool.Pool, _ *pool.Member, reason string) {
	o.heard = append(o.heard, "failed: "+reason)
}
